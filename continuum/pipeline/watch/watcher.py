"""Reads engine, links, packets and CPUs regularly while the load runs."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import ContinuumError
from continuum.model.fidelity import Disturbance, During
from continuum.model.node import Strain
from continuum.modules.provider import Provider
from continuum.network.engine import Health
from continuum.network.engines import open_engine
from continuum.network.sentinels.sentinels import Sentinels
from continuum.pipeline.watch import host_times, thinning
from continuum.pipeline.watch.cpu_watch import CpuWatch
from continuum.pipeline.watch.engine_watch import EngineWatch
from continuum.pipeline.watch.link_watch import LinkWatch
from continuum.pipeline.watch.packet_watch import PacketWatch
from continuum.pipeline.watch.sentinel_watch import SentinelWatch
from continuum.pipeline.watch.tolerated import Tolerated
from continuum.rundir.run import Run

TICK_S = 0.25
HOST_INTERVAL_S = 0.5
SENTINEL_INTERVAL_S = 5.0
SECONDS_PER_NODE = 0.01
"""Reading the counters of a node takes about 50 us; their interval grows with the number of nodes."""

LOG = logging.getLogger(__name__)


class Watcher:
    """Watches the load of a run; a context manager around it.

    Args:
        run: the run.
        deployment: its nodes.
        provider: what created them.
        tolerated: how much disturbance is tolerated.
    """

    def __init__(self, run: Run, deployment: Deployment, provider: Provider, tolerated: Tolerated) -> None:
        self._run, self._deployment, self._provider = run, deployment, provider
        self._tolerated = tolerated
        self._engine = open_engine(deployment.engine)
        self._engines = EngineWatch(self._engine.name, tolerated.stall_ms)
        self._packets = PacketWatch()
        self._cpus = CpuWatch(tolerated.foreign_cpu_percent)
        self._delays = SentinelWatch(tolerated.delay)
        self._sentinels: Sentinels | None = None
        self._links = LinkWatch(self._rows())
        self._affinity = os.sched_getaffinity(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._state_seen: tuple[int, int] = (0, 0)
        self._engine_cpu_s = self._next_health_s = self._next_host_s = self._next_sentinels_s = 0.0
        self._worst_delay_ms: float | None = None
        self._unwatched: dict[str, None] = {}
        self._failures: list[Disturbance] = []
        self._cpu_s = self._agents_cpu_s = self._seconds = 0.0
        self.start_s = 0.0

    def __enter__(self) -> Watcher:  # noqa: PYI034 (Self is newer than Python 3.10)
        self._start_sentinels()
        self.start_s = time.monotonic()
        self._next_sentinels_s = self.start_s + SENTINEL_INTERVAL_S
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._sentinels is not None:
            self._sentinels.close()
        self._seconds = time.monotonic() - self.start_s

    def report(self) -> During:
        """What was observed, after the load."""
        found = [
            *self._engines.disturbances,
            *self._links.disturbances,
            *self._packets.disturbances,
            *self._delays.disturbances,
            *self._cpus.disturbances,
            *self._failures,
        ]
        return During(
            seconds=self._seconds,
            engine_checks=self._engines.checks,
            longest_stall_ms=self._engines.longest_stall_ms,
            link_changes=self._links.count,
            undeliverable=self._packets.undeliverable,
            tolerated_stall_ms=self._tolerated.stall_ms,
            tolerated_foreign_cpu_percent=self._tolerated.foreign_cpu_percent,
            watching_cpu_s=self._cpu_s + self._agents_cpu_s,
            links=self._packets.links(),
            sentinels=self._delays.delays(),
            nodes=self._packets.nodes(),
            readings=thinning.thin(self._cpus.readings),
            disturbances=tuple(sorted(found, key=lambda one: one.at_s)),
            unwatched=tuple(self._unwatched),
        )

    def _watch(self) -> None:
        """The thread: a reading every tick, and a last one at the end."""
        try:
            while True:
                last = self._stop.is_set()
                self._read(last=last)
                if last:
                    break
                self._stop.wait(TICK_S)
        except Exception as error:
            # A run that is not watched must not count as undisturbed.
            LOG.exception("the watcher failed")
            what = f"the run could not be watched: {type(error).__name__}: {error}"
            self._failures.append(Disturbance(self._now_s(), "unwatched", what))
        self._cpu_s = time.thread_time()

    def _now_s(self) -> float:
        return time.monotonic() - self.start_s

    def _read(self, *, last: bool) -> None:
        now_s = time.monotonic()
        if last or now_s >= self._next_health_s:
            self._next_health_s = now_s + self._engine.health_interval_s - TICK_S / 2
            self._read_engine()
        self._read_links()
        if last or now_s >= self._next_sentinels_s:
            self._next_sentinels_s = now_s + SENTINEL_INTERVAL_S
            self._read_sentinels()
        if last or now_s >= self._next_host_s:
            interval_s = max(HOST_INTERVAL_S, SECONDS_PER_NODE * len(self._deployment.nodes))
            self._next_host_s = now_s + interval_s - TICK_S / 2
            self._read_host()

    def _read_engine(self) -> None:
        if not self._engine.name:
            return
        asked_s = self._now_s()
        health = self._engine.health(self._deployment, self._run)
        delay_ms = self._engines.note(asked_s, health, self._now_s() - asked_s)
        if delay_ms is not None:
            self._worst_delay_ms = max(delay_ms, self._worst_delay_ms or 0.0)
        if health.alive and health.delay_s is not None:
            self._note_counters(asked_s, health)

    def _note_counters(self, at_s: float, health: Health) -> None:
        self._engine_cpu_s = health.cpu_seconds
        self._packets.note_engine(at_s, health.undeliverable, health.links)
        self._links.note_count(at_s, health.changes)

    def _start_sentinels(self) -> None:
        """Start sentinel probes, if the engine can tell which delay it intended for them."""
        if not self._engine.name or len(self._deployment.nodes) < 2:
            return
        clocks = all(one.host_clock for one in self._deployment.connections.values())
        if not self._engine.tells_intended or not clocks:
            why = (
                "nodes have clocks of their own"
                if not clocks
                else "the engine does not tell what it intended"
            )
            self._unwatched[f"delay of single packets: {why}"] = None
            return
        try:
            self._sentinels = Sentinels(self._deployment, self._run, self._engine)
            self._sentinels.begin()
        except (ContinuumError, OSError) as error:
            self._unwatched[f"delay of single packets: {error}"] = None

    def _read_sentinels(self) -> None:
        if self._sentinels is None:
            return
        try:
            self._delays.note(self._sentinels.collect(), self.start_s)
            self._agents_cpu_s = self._sentinels.cpu_s
        except (ContinuumError, OSError) as error:
            self._unwatched[f"delay of single packets from {self._now_s():.0f} s on: {error}"] = None
            sentinels, self._sentinels = self._sentinels, None
            sentinels.close()

    def _read_links(self) -> None:
        """Compare the links in the state of the run if the file has changed."""
        with contextlib.suppress(OSError):
            status = (self._run.directory / "state.json").stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._state_seen:
                self._state_seen = seen
                if rows := self._rows():
                    self._links.note_links(self._now_s(), rows)

    def _rows(self) -> list[Mapping[str, Any]]:
        return list(self._run.state().get("links", ()))

    def _read_host(self) -> None:
        if self._provider.real_network:
            self._unwatched["CPUs: the nodes are on other machines"] = None
            return
        strain = self._provider.strain(self._deployment.nodes, self._run)
        at_s = self._now_s()
        self._packets.note_nodes(at_s, strain)
        run_cpu_s = self._run_cpu_s(strain)
        try:
            times = host_times.read(self._affinity)
        except (OSError, ValueError) as error:
            self._unwatched[f"CPU time of others: {error}"] = None
            return
        self._cpus.note(at_s, times, run_cpu_s, self._worst_delay_ms)
        self._worst_delay_ms = None

    def _run_cpu_s(self, strain: Mapping[str, Strain]) -> float | None:
        """CPU time that the run has used on this host; None if that of a node is unknown."""
        nodes_s = [one.cpu_seconds for one in strain.values()]
        known = [one for one in nodes_s if one is not None]
        if len(known) < len(self._deployment.nodes):
            self._unwatched["CPU time of others: it is not known how much the nodes use"] = None
            return None
        emulation_s = sum(one.emulation_seconds for one in strain.values())
        return (
            sum(known) + emulation_s + self._engine_cpu_s + self._agents_cpu_s + host_times.own_cpu_seconds()
        )
