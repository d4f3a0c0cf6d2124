"""What a program that runs on a node needs to take part in a run; standard library only.

    with workload.join() as session:
        ...                                   # load models, connect
        session.ready()
        start_ns = session.wait_go()
        session.record(request, "due", start_ns, warmup=False)
        session.progress(sent=1, completed=0)

The program runs in a folder of its own. It tells how it is by lines ``continuum: {JSON}`` on standard
output, begins when a file ``go`` appears in the folder, and leaves its events in ``events.jsonl``
there (``continuum.model.events`` says what a line holds), or in ``CONTINUUM_FOLDER`` where that is set.
On SIGTERM it writes the rest and ends.
A program in another language does the same three things.
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

PREFIX = "continuum: "
EVENTS_FILE = "events.jsonl"
GO_FILE = "go"
_GO_POLL_S = 0.02
_STARTED_NS = time.monotonic_ns()
"""When the program began, as near as it can tell: when it first asked for this module."""

Detail = str | float | bool | None


class StoppedError(Exception):
    """The orchestrator asked this program to end before it began."""


@dataclass(frozen=True)
class Identity:
    """Which of all running programs this one is.

    Attributes:
        node: name of the node it runs on.
        workload: name of its workload.
        replica: which copy on this node, from 0.
        run: id of the run.
    """

    node: str
    workload: str
    replica: int
    run: str

    @classmethod
    def from_environment(cls) -> Identity:
        """As the resource manager has set it; a program started by hand is replica 0 on ``localhost``."""
        get = os.environ.get
        return cls(
            node=get("CONTINUUM_NODE", "localhost"),
            workload=get("CONTINUUM_WORKLOAD", "workload"),
            replica=int(get("CONTINUUM_REPLICA", "0")),
            run=get("CONTINUUM_RUN", ""),
        )

    def __str__(self) -> str:
        return f"{self.node}.{self.workload}.{self.replica}"


@dataclass
class Session:
    """This program's part in the run; made by ``join``. Every method may be called from any thread.

    Attributes:
        identity: which program this is.
        folder: where it runs and finds its files.
        exchange: where ``go`` appears and events are left.
        stopping: set once the program has been told to end (SIGTERM or SIGINT).
    """

    identity: Identity
    folder: Path
    exchange: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    _events: deque[tuple[str, str, int, dict[str, Detail]]] = field(default_factory=deque)
    _file: TextIO | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def ready(self) -> None:
        """Say that everything that takes long is done."""
        self._say({"life": {"started": _STARTED_NS, "ready": time.monotonic_ns()}})
        self._say({"ready": True})

    def progress(self, **numbers: float | None) -> None:
        """Say how far the work is; a number that is not known yet is None and left out."""
        self._say({"progress": {name: value for name, value in numbers.items() if value is not None}})

    def wait_go(self, timeout: float | None = None) -> int:
        """Wait for the start signal; returns the start on this node's CLOCK_MONOTONIC in ns.

        Raises StoppedError when told to end before, TimeoutError after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (start_ns := self._read_go()) is None:
            if self.stopping.wait(_GO_POLL_S):
                raise StoppedError
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"no file {GO_FILE} in {self.exchange} within {timeout:g} s")
        return start_ns

    def _read_go(self) -> int | None:
        """The start in ns; None while there is no start signal, or only half of it."""
        try:
            text = (self.exchange / GO_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if not text.strip():
            return time.monotonic_ns()
        try:
            signal_ = json.loads(text)
        except ValueError:
            return None
        return int(signal_.get("start_ns", time.monotonic_ns()))

    def record(self, request: str, stage: str, clock_ns: int | None = None, **detail: Detail) -> None:
        """Note that a request has reached a stage, now or at a clock reading of this node.

        Costs about a microsecond; ``flush`` does the writing.
        """
        self._events.append((request, stage, time.monotonic_ns() if clock_ns is None else clock_ns, detail))

    def flush(self) -> None:
        """Write what was recorded; call it now and then, away from what is measured."""
        with self._writing:
            lines = []
            while self._events:
                request, stage, clock_ns, detail = self._events.popleft()
                record: dict[str, object] = {"r": request, "s": stage, "n": self.identity.node, "t": clock_ns}
                if detail:
                    record["d"] = detail
                lines.append(json.dumps(record, separators=(",", ":")) + "\n")
            if lines:
                # One write of whole lines: what is killed in it leaves one torn line at most.
                if self._file is None:
                    self._file = (self.exchange / EVENTS_FILE).open("a", encoding="utf-8")
                self._file.write("".join(lines))
                self._file.flush()

    def close(self) -> None:
        """Write the rest, and say that this is the end."""
        self.flush()
        with self._writing:
            if self._file is not None:
                self._file.close()
                self._file = None
        self._say({"life": {"finished": time.monotonic_ns()}})

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Tell this program to end; the handler of SIGTERM."""
        self.stopping.set()

    def _say(self, message: dict[str, object]) -> None:
        # One write, so that lines of several threads do not mix.
        sys.stdout.write(PREFIX + json.dumps(message) + "\n")
        sys.stdout.flush()


@contextmanager
def join(folder: Path | None = None) -> Iterator[Session]:
    """Take part in the run this program was started for; writes all events at the end.

    Args:
        folder: where to look for ``go`` and to leave events; the current directory by default.
    """
    place = folder or Path.cwd()
    exchange = folder or Path(os.environ.get("CONTINUUM_FOLDER") or place)
    session = Session(Identity.from_environment(), place, exchange)
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
    """The median of recent values for a progress line; None when there are none."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None
