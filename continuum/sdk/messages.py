"""What a running workload says to the orchestrator, read from its log.

A workload prints lines ``continuum: {"ready": true}`` and ``continuum: {"progress": {...}}`` among
whatever else it prints; ``continuum.sdk.session`` is the other end. It may tell of its life, too:
``continuum: {"life": {"started": 123}}``, by the stages of ``continuum.model.marks``, as readings of
its node's CLOCK_MONOTONIC in ns.
"""

from __future__ import annotations

import json
from pathlib import Path

PREFIX = b"continuum: "


class Messages:
    """The messages in one growing log file.

    Attributes:
        ready: whether the workload has said it is ready.
        progress: the numbers it last reported, by name.
        life: when it reached which stage of its life, in ns of its node's clock.
    """

    def __init__(self, log: Path) -> None:
        self.ready = False
        self.progress: dict[str, float] = {}
        self.life: dict[str, int] = {}
        self._log = log
        self._offset = 0

    def refresh(self) -> None:
        """Read what was written since the last call; a line not yet complete is left for the next."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            if line.startswith(PREFIX):
                self._take(line[len(PREFIX) :])

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # a line of the workload's own that happens to begin like a message
        if isinstance(message, dict):
            self.ready = self.ready or bool(message.get("ready"))
            self.progress.update(message.get("progress", {}))
            for stage, clock_ns in message.get("life", {}).items():
                self.life.setdefault(stage, clock_ns)

    def tail(self, lines: int = 5) -> str:
        """The last lines of the log, indented, for an error message."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])
