"""The replicas of one workload, as processes on their nodes."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from continuum.connection import Connection, Process
from continuum.errors import BenchmarkError, CommandTimeout, ConnectionFailure, DeployError
from continuum.measure import clock
from continuum.model.marks import CREATED, Mark
from continuum.model.workload import Workload
from continuum.modules.job import Failing, Job
from continuum.sdk import protocol
from continuum.sdk.messages import Messages

POLL_S = 0.05
START_IN_NS = 300_000_000
START_ELSEWHERE_IN_NS = 1_500_000_000
"""The same for nodes with clocks of their own, which the signal reaches over a network."""

START_EACH_NS = 10_000_000
"""Added for every further replica on a node: each has its own file as start signal."""

GO_TIMEOUT_S = 60.0
_GO = (
    'text=$1; shift; for place; do printf %s "$text" >"$place/.go.new"'
    ' && mv "$place/.go.new" "$place/go" || exit; done'
)
OFFSET_EXCHANGES = 10
PARALLEL = 16


class Replica:
    """One process of a workload on one node."""

    def __init__(
        self,
        node: str,
        name: str,
        folder: PurePosixPath,
        connection: Connection,
        process: Process,
        log: Path,
        created_ns: int | None = None,
    ) -> None:
        self.node, self.name, self.folder = node, name, folder
        self.created_ns = created_ns
        self.connection, self.process = connection, process
        self.messages = Messages(log)
        self.start_s: float | None = None
        self._started_at = time.monotonic()

    def began(self, at_s: float) -> None:
        """Measure the start time from this moment on CLOCK_MONOTONIC instead of now."""
        self._started_at = at_s

    def is_ready(self) -> bool:
        """Whether its program has reported that it is ready."""
        self.messages.refresh()
        if self.messages.ready and self.start_s is None:
            self.start_s = time.monotonic() - self._started_at
        return self.messages.ready

    def __str__(self) -> str:
        return f"{self.name} on {self.node}"

    def marks(self) -> Iterator[Mark]:
        """Its timeline: created when it was started here, the other stages as the program reported them."""
        self.messages.refresh()
        name = f"{self.node}/{self.name}"
        if self.created_ns is not None:
            yield Mark(name, CREATED, self.created_ns, node=self.node)
        for stage, clock_ns in self.messages.stages.items():
            yield Mark(name, stage, clock_ns, clock=self.node, node=self.node)

    def begin(self, start_ns: int) -> None:
        """Send the start signal: begin at this reading of the node's clock."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(_signal(start_ns))
            file.flush()
            self.connection.put(Path(file.name), self.folder / protocol.GO_FILE)

    def fetch(self, to: Path) -> None:
        """Copy the replica's events; a replica that never began has none."""
        target = to / self.node / self.name
        target.mkdir(parents=True, exist_ok=True)
        try:
            self.connection.get(self.folder / protocol.EVENTS_FILE, target / protocol.EVENTS_FILE)
        except (FileNotFoundError, ConnectionFailure):
            (target / "no-events").touch()


class DirectJob(Job):
    """Processes started through connections, followed through their logs."""

    def __init__(
        self,
        workload: Workload,
        replicas: Sequence[Replica],
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.workload = workload
        self.replicas = tuple(replicas)
        self._on_ready = on_ready
        self._stopping = False

    def wait_ready(self, timeout: float, others: Sequence[Failing] = ()) -> None:
        """Return when every replica is ready.

        Raises:
            DeployError: one is not, with the end of its log; or a replica of another job has failed.
            ConnectionFailure: a node is lost.
        """
        deadline = time.monotonic() + timeout
        waiting = list(self.replicas)
        while waiting:
            if failed := [line for job in others for line in job.failures()]:
                raise DeployError(failed[0])
            for replica in list(waiting):
                if replica.is_ready():
                    waiting.remove(replica)
                elif (status := replica.process.poll()) is not None:
                    replica.messages.refresh()
                    msg = f"{replica} ended with status {status} before it was ready{replica.messages.tail()}"
                    raise DeployError(msg)
            if waiting and time.monotonic() > deadline:
                names = ", ".join(str(replica) for replica in waiting)
                msg = f"not ready within {timeout:g} s: {names}{waiting[0].messages.tail()}"
                raise DeployError(msg)
            if waiting:
                time.sleep(POLL_S)
        on_ready, self._on_ready = self._on_ready, lambda: None
        on_ready()

    def release(self) -> None:
        """Send every replica the start signal: the same moment, shortly ahead, on its own node's clock."""
        nodes = {replica.node: replica.connection for replica in self.replicas}
        offsets = clock.measure_all(nodes, OFFSET_EXCHANGES)
        foreign = any(not connection.host_clock for connection in nodes.values())
        groups = [[one for one in self.replicas if one.node == node] for node in nodes]
        most = max(map(len, groups), default=1)
        start_ns = time.monotonic_ns() + (START_ELSEWHERE_IN_NS if foreign else START_IN_NS)
        start_ns += (most - 1) * START_EACH_NS
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda group: _begin(group, start_ns + offsets[group[0].node].offset_ns), groups))

    def progress(self) -> dict[str, float]:
        """Sum over the replicas of the numbers they last reported; for medians their mean."""
        total: Counter[str] = Counter()
        reporting: Counter[str] = Counter()
        for replica in self.replicas:
            replica.messages.refresh()
            for name, value in replica.messages.progress.items():
                total[name] += value  # type: ignore[assignment]
                reporting[name] += 1
        return {
            name: value / reporting[name] if name.endswith("_ms") else value for name, value in total.items()
        }

    def failures(self) -> tuple[str, ...]:
        """Replicas that ended although they serve, or with another status than 0; one line each."""
        found = []
        for replica in self.replicas:
            status = replica.process.poll()
            if status is None or self._stopping:
                continue
            if status != 0 or self.workload.serves:
                found.append(f"{replica} ended with {_describe(status)}")
        return tuple(found)

    def is_done(self) -> bool:
        """Whether every replica has ended; polls each, so that a lost node is noticed."""
        ended = [replica.process.poll() is not None for replica in self.replicas]
        return all(ended)

    def wait(self, timeout: float) -> None:
        """Return when every replica has ended; BenchmarkError names those that have not."""
        deadline = time.monotonic() + timeout
        while not self.is_done():
            if time.monotonic() > deadline:
                names = ", ".join(str(r) for r in self.replicas if r.process.poll() is None)
                msg = f"still running after {timeout:g} s: {names}"
                raise BenchmarkError(msg)
            time.sleep(POLL_S)

    def stop(self, timeout: float) -> None:
        """End every replica: SIGTERM first, SIGKILL after the time-out."""
        self._stopping = True
        deadline = time.monotonic() + timeout

        def end(replica: Replica) -> None:
            replica.process.terminate()
            try:
                replica.process.wait(max(0.0, deadline - time.monotonic()))
            except CommandTimeout:
                replica.process.kill()

        self._everywhere(end)

    def fetch(self, to: Path) -> None:
        """Copy the events of every replica."""
        self._everywhere(lambda replica: replica.fetch(to))

    def cancel(self) -> None:
        """End every replica at once."""
        self._stopping = True
        self._everywhere(lambda replica: replica.process.kill())

    def marks(self) -> Iterator[Mark]:
        """The timelines of all replicas."""
        for replica in self.replicas:
            yield from replica.marks()

    def _everywhere(self, action: Callable[[Replica], None]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(action, self.replicas))


def _begin(group: Sequence[Replica], start_ns: int) -> None:
    """Send the start signal to all replicas of one node, by one command if there are several."""
    if len(group) == 1:
        group[0].begin(start_ns)
        return
    places = [str(replica.folder) for replica in group]
    group[0].connection.run(["/bin/sh", "-c", _GO, "sh", _signal(start_ns), *places], timeout=GO_TIMEOUT_S)


def _signal(start_ns: int) -> str:
    return json.dumps({"start_ns": start_ns})


def _describe(status: int) -> str:
    """An exit status for messages; shells report a signal as 128 + its number."""
    signal = -status if status < 0 else status - 128 if status > 128 else 0
    return f"signal {signal}" if signal else f"status {status}"
