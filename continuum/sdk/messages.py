"""Reads the messages that workloads print to the orchestrator; counterpart of ``continuum.sdk.session``.

Messages are lines among whatever else the workload prints: ``continuum: {"ready": true}``,
``continuum: {"progress": {...}}``, and ``continuum: {"life": {"started": 123}}``. The last one gives the
stages of the instance (``continuum.model.marks``) as readings of its node's CLOCK_MONOTONIC in ns.
"""

from __future__ import annotations

import json
from pathlib import Path

from continuum.sdk import protocol

_PREFIX = protocol.PREFIX.encode()


class Messages:
    """The messages in one growing log file.

    Attributes:
        ready: whether the workload has reported that it is ready.
        progress: the numbers it reported last, by name.
        stages: clock reading in ns of its node at each stage of the instance.
    """

    def __init__(self, log: Path) -> None:
        self.ready = False
        self.progress: dict[str, float] = {}
        self.stages: dict[str, int] = {}
        self._log = log
        self._offset = 0

    def refresh(self) -> None:
        """Read what was written since the last call, up to the last complete line."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            if line.startswith(_PREFIX):
                self._apply(line[len(_PREFIX) :])

    def _apply(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # output of the workload that happens to start with the prefix
        if isinstance(message, dict):
            self.ready = self.ready or bool(message.get(protocol.KEY_READY))
            self.progress.update(message.get(protocol.KEY_PROGRESS, {}))
            for stage, clock_ns in message.get(protocol.KEY_INSTANCE_STAGES, {}).items():
                self.stages.setdefault(stage, clock_ns)

    def tail(self, lines: int = 5) -> str:
        """The last lines of the log, indented, for an error message."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])
