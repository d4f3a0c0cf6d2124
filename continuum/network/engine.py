"""The interface of network engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import HostError
from continuum.model.fidelity import LinkTraffic
from continuum.model.topology import Link
from continuum.rundir.run import Run


@dataclass(frozen=True)
class Health:
    """The state of an engine at one moment, with its counters since its start.

    Attributes:
        alive: whether it emulates links.
        delay_s: time until it handled the request for this state; None if it did not within the time-out.
        detail: what is wrong; empty if nothing is.
        cpu_seconds: CPU time of its process; 0 if it has none.
        changes: how often links were changed; None if it does not count.
        undeliverable: packets that the interface of the receiving node refused.
        links: packets by ordered pair of tiers; empty if it does not count them.
    """

    alive: bool
    delay_s: float | None = 0.0
    detail: str = ""
    cpu_seconds: float = 0.0
    changes: int | None = None
    undeliverable: int = 0
    links: tuple[LinkTraffic, ...] = ()


class Engine(ABC):
    """Emulates the links of a run.

    Attributes:
        name: value of ``network_engine`` that selects it.
        health_interval_s: how often ``health`` may be called while a load runs.
        tells_intended: whether it knows which delay it has chosen for a packet.
        has_process: whether a process of this project emulates the links, from ``prepare`` on.
    """

    name: ClassVar[str]
    health_interval_s: ClassVar[float]
    tells_intended: ClassVar[bool] = False
    has_process: ClassVar[bool] = False

    def prepare(self, run: Run) -> None:
        """Start what nodes need at their creation."""
        return

    @abstractmethod
    def shape(self, deployment: Deployment, run: Run) -> None:
        """Apply every link of the topology; ProvisionError if that fails."""

    @abstractmethod
    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links while traffic flows; ``src`` and ``dst`` name a tier or a node."""

    @abstractmethod
    def health(self, deployment: Deployment, run: Run) -> Health:
        """Its state now. Raises nothing: an engine that does not answer is not alive, or late."""

    def expect_probes(self, run: Run, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Note the delay chosen for sentinel probes: sending node, receiving node, UDP port of each path.

        Only for engines that know it; NotImplementedError for others.
        """
        raise NotImplementedError

    def intended_ms(self, run: Run) -> Mapping[tuple[int, int], float]:
        """Delay chosen for each sentinel probe since the last call, by stream and number.

        Only after ``expect_probes``; NotImplementedError for engines that do not know it.
        """
        raise NotImplementedError

    def applied(self, run: Run) -> tuple[Link, ...] | None:
        """The links that it applies, read back from it; None if it cannot tell.

        Raises:
            ProvisionError: it does not answer.
        """
        return None


class NoEngine(Engine):
    """For nodes whose links are not emulated."""

    name = ""
    health_interval_s = 60.0

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Does nothing."""

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Raises HostError."""
        raise HostError("the links of this run are not emulated and cannot be changed")

    def health(self, deployment: Deployment, run: Run) -> Health:
        """Always alive."""
        return Health(alive=True)
