"""The application ``empty``: instances that sleep, so that only their management takes time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.model.events import Event, read
from continuum.model.workload import Workload
from continuum.modules.application import Application
from continuum.options import Duration, Option

if TYPE_CHECKING:
    from continuum.errors import Problem
    from continuum.model.config import Config
    from continuum.model.topology import Topology

PREFERRED_TIERS = ("cloud", "edge", "endpoint")
LEAST_MEMORY_MB = 16
"""Memory that the interpreter of an instance requires."""


class Empty(Application):
    """Instances that report that they are ready, sleep, and end."""

    summary: ClassVar[str] = "instances that sleep: how long each takes to be created, started and ready"
    options: ClassVar[tuple[Option, ...]] = (
        Option("benchmark", "sleep_time", Duration(minimum=1), 60.0, "How long each instance sleeps."),
    )
    stages: ClassVar[tuple[str, ...]] = ("sleep",)
    processing: ClassVar[str] = "sleep"
    time_key: ClassVar[str] = "sleep_time"
    """The option with the time that each instance takes."""
    program: ClassVar[Path] = Path(__file__).with_name("sleeper.py")
    """The program of an instance; it receives the time as ``SECONDS``."""

    def check(self, config: Config) -> Iterable[Problem]:
        """Check that the memory limit suffices for an interpreter."""
        memory_mb = config.benchmark.maybe_integer("application_worker_memory")
        if memory_mb is not None and memory_mb < LEAST_MEMORY_MB:
            message = f"an instance requires {LEAST_MEMORY_MB} MiB; write at least that"
            yield config.benchmark.problem("application_worker_memory", message)

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """One workload, on every node of the first existing tier of cloud, edge and endpoint."""
        section = config.benchmark
        return (
            Workload(
                name=self.program.stem,
                tier=tier_of(topology),
                argv=("{python}", self.program.name),
                replicas_per_node=section.integer("applications_per_worker"),
                environment={"SECONDS": str(section.real(self.time_key))},
                files={self.program.name: self.program},
                cpu_cores=section.maybe_real("application_worker_cpu"),
                memory_mb=section.maybe_integer("application_worker_memory"),
            ),
        )

    def duration_s(self, config: Config) -> float:
        """The time that all instances take, concurrently."""
        return config.benchmark.real(self.time_key)

    def load(self, config: Config) -> Mapping[str, Any]:
        """The time that each instance takes, and the number of instances on each node."""
        section = config.benchmark
        return {
            self.time_key: section.real(self.time_key),
            "applications_per_worker": section.integer("applications_per_worker"),
        }

    def servers(self, config: Config, topology: Topology) -> int:
        """The number of instances, since all run at the same time."""
        count = topology.tier(tier_of(topology)).count
        return count * config.benchmark.integer("applications_per_worker")

    def events(self, raw: Path) -> Iterator[Event]:
        """Every event that the instances recorded."""
        return read(raw)


def tier_of(topology: Topology) -> str:
    """The tier that instances run on."""
    names = [tier.name for tier in topology.tiers if tier.count]
    return next((name for name in PREFERRED_TIERS if name in names), names[0])


MODULE = Empty
