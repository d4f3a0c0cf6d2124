"""Lets a program on a node take part in a run; standard library only.

    with workload.join() as session:
        ...                                   # load models, connect
        session.ready()
        start_ns = session.wait_go()
        session.record(request, DUE, start_ns, warmup=False)
        session.progress(sent=1, completed=0)

The program runs in its own folder. It reports its state in lines ``continuum: {JSON}`` on standard output,
starts when a file ``go`` appears in the folder, and writes its events to ``events.jsonl`` there
(``continuum.model.events`` describes them). If ``protocol.ENV_FOLDER`` is set, ``go`` and the events are in
that folder instead. On SIGTERM the program writes the remaining events and exits.
A program in another language does the same.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from continuum.sdk import node_clock, protocol

_GO_POLL_S = 0.02
_STARTED_NS = time.monotonic_ns()
"""Approximate start of the program: when it imported this module."""

Detail = str | float | bool | None


class StoppedError(Exception):
    """The program was told to end before it received the start signal."""


@dataclass(frozen=True)
class Identity:
    """Identifies one running program within a run.

    Attributes:
        node: name of its node.
        workload: name of its workload.
        replica: number of the replica on this node, from 0.
        run: id of the run.
    """

    node: str
    workload: str
    replica: int
    run: str

    @classmethod
    def from_environment(cls) -> Identity:
        """Read what the resource manager has set; a program started by hand is replica 0 on ``localhost``."""
        get = os.environ.get
        return cls(
            node=get(protocol.ENV_NODE, "localhost"),
            workload=get(protocol.ENV_WORKLOAD, "workload"),
            replica=int(get(protocol.ENV_REPLICA, "0")),
            run=get(protocol.ENV_RUN, ""),
        )

    def __str__(self) -> str:
        return f"{self.node}.{self.workload}.{self.replica}"


@dataclass
class Session:
    """A program's part in a run; created by ``join``. All methods are thread-safe.

    Attributes:
        identity: which program this is.
        folder: its working directory, with its files.
        exchange: folder for the start signal and the events.
        stopping: set when the program receives SIGTERM or SIGINT.
    """

    identity: Identity
    folder: Path
    exchange: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    _node_ahead_ns: int = 0
    _events: deque[tuple[str, str, int, dict[str, Detail]]] = field(default_factory=deque)
    _file: TextIO | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def ready(self) -> None:
        """Report that the program can serve, or can start its work."""
        self._report_stages({protocol.STARTED: _STARTED_NS, protocol.READY: time.monotonic_ns()})
        self._say({protocol.KEY_READY: True})

    def progress(self, **numbers: float | None) -> None:
        """Report progress; numbers that are None are left out."""
        known = {name: value for name, value in numbers.items() if value is not None}
        self._say({protocol.KEY_PROGRESS: known})

    def wait_go(self, timeout: float | None = None) -> int:
        """Wait for the start signal; returns the start on this program's CLOCK_MONOTONIC in ns.

        Raises:
            StoppedError: the program was told to end first.
            TimeoutError: no signal within ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (start_ns := self._read_go()) is None:
            if self.stopping.wait(_GO_POLL_S):
                raise StoppedError
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"no file {protocol.GO_FILE} in {self.exchange} within {timeout:g} s")
        return start_ns

    def _read_go(self) -> int | None:
        """The start in ns; None if the file is absent or incomplete."""
        try:
            text = (self.exchange / protocol.GO_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if not text.strip():
            return time.monotonic_ns()
        try:
            signal_ = json.loads(text)
        except ValueError:
            return None
        start_ns = signal_.get("start_ns")
        return time.monotonic_ns() if start_ns is None else int(start_ns) - self._node_ahead_ns

    def record(self, request: str, stage: str, clock_ns: int | None = None, **detail: Detail) -> None:
        """Record that a request has reached a stage, now or at a reading of CLOCK_MONOTONIC.

        Takes about a microsecond; ``flush`` does the writing.
        """
        self._events.append((request, stage, time.monotonic_ns() if clock_ns is None else clock_ns, detail))

    def flush(self) -> None:
        """Write recorded events to the file; call it regularly, outside of what is measured."""
        with self._writing:
            lines = []
            while self._events:
                request, stage, clock_ns, detail = self._events.popleft()
                clock_ns += self._node_ahead_ns
                lines.append(_line(request, stage, self.identity.node, clock_ns, detail))
            if lines:
                # Whole lines in one write: a process killed during it leaves at most one incomplete line.
                if self._file is None:
                    self._file = (self.exchange / protocol.EVENTS_FILE).open("a", encoding="utf-8")
                self._file.write("".join(lines))
                self._file.flush()

    def close(self) -> None:
        """Write the remaining events and report the end."""
        self.flush()
        with self._writing:
            if self._file is not None:
                self._file.close()
                self._file = None
        self._report_stages({protocol.FINISHED: time.monotonic_ns()})

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Tell this program to end; the handler of SIGTERM and SIGINT."""
        self.stopping.set()

    def _report_stages(self, stages: dict[str, int]) -> None:
        on_node = {stage: clock_ns + self._node_ahead_ns for stage, clock_ns in stages.items()}
        self._say({protocol.KEY_INSTANCE_STAGES: on_node})

    def _say(self, message: dict[str, object]) -> None:
        # One write, so that lines of several threads do not mix.
        sys.stdout.write(protocol.PREFIX + json.dumps(message) + "\n")
        sys.stdout.flush()


def _line(request: str, stage: str, node: str, clock_ns: int, detail: dict[str, Detail]) -> str:
    """One event record with its line end."""
    record: dict[str, object] = {
        protocol.KEY_REQUEST: request,
        protocol.KEY_STAGE: stage,
        protocol.KEY_NODE: node,
        protocol.KEY_CLOCK: clock_ns,
    }
    if detail:
        record[protocol.KEY_DETAIL] = detail
    return json.dumps(record, separators=(",", ":")) + "\n"


@contextmanager
def join(folder: Path | None = None) -> Iterator[Session]:
    """Join the run that this program was started for; writes all events on exit.

    Args:
        folder: folder for ``go`` and the events; by default ``protocol.ENV_FOLDER`` or the current directory.
    """
    place = folder or Path.cwd()
    exchange = folder or Path(os.environ.get(protocol.ENV_FOLDER) or place)
    identity = Identity.from_environment()
    ahead_ns = node_clock.ahead_ns(identity.node)
    session = Session(identity, place, exchange, _node_ahead_ns=ahead_ns)
    before = {number: signal.signal(number, session.stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield session
    except StoppedError:
        pass
    finally:
        session.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def percentile_50(values: deque[float]) -> float | None:
    """Median of recent values, for a progress line; None if there are none."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None
