"""Base class of applications, which declare workloads and read the events that these leave."""

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
        stages: stages of a request, in order; their spans add up to the end-to-end latency.
        arrival: the stage that begins when a request arrives at a worker. Empty if workers do not answer over
            HTTP, in which case no execution model can run them.
        processing: the stage during which a request occupies one of ``servers``, from which the system load
            is computed. Empty if there is none.
    """

    stages: ClassVar[tuple[str, ...]]
    arrival: ClassVar[str] = ""
    processing: ClassVar[str] = ""

    @abstractmethod
    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        """The workloads to run, in the order to start them; pure."""

    @abstractmethod
    def duration_s(self, config: Config) -> float:
        """Seconds from the release of the workloads until the last answer is due or given up."""

    def load(self, config: Config) -> Mapping[str, Any]:
        """The offered load, such as frequency and duration, as plain JSON values.

        Only results with equal load can be compared.
        """
        return {}

    @abstractmethod
    def servers(self, config: Config, topology: Topology) -> int:
        """Requests that all workers together can process at the same time."""

    @abstractmethod
    def events(self, raw: Path) -> Iterator[Event]:
        """Read every event that the workloads left below ``raw``."""
