"""Contract of applications: they declare workloads and read the events these leave."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from continuum.model.config import Config
from continuum.model.events import Event
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules.base import Module


class Application(Module):
    """Declares workloads and reads the events they leave; never knows provider or manager.

    Attributes:
        stages: what a request goes through, in order; spans of these names add up to its latency.
        arrival: the stage that begins when a request has arrived at a worker, where workers can answer over
            HTTP, so that execution models can run them; empty where they cannot.
    """

    stages: ClassVar[tuple[str, ...]]
    arrival: ClassVar[str] = ""

    @abstractmethod
    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """What to run where, in the order to start it; pure."""

    @abstractmethod
    def duration_s(self, config: Config) -> float:
        """Seconds from the release of the workloads to the last answer they still wait for."""

    def load(self, config: Config) -> Mapping[str, Any]:
        """What is asked of the system, such as frequency and duration, in plain JSON values.

        Results can only be compared where these are equal.
        """
        return {}

    @abstractmethod
    def servers(self, config: Config, topology: Topology) -> int:
        """Requests that all workers together can process at the same time."""

    @abstractmethod
    def events(self, raw: Path) -> Iterator[Event]:
        """Every event the workloads left below ``raw``."""
