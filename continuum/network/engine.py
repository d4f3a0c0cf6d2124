"""The interface of network engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import HostError
from continuum.model.topology import Link
from continuum.rundir.run import Run


class Engine(ABC):
    """Emulates the links of a run.

    Attributes:
        name: value of ``network_engine`` that selects it.
    """

    name: ClassVar[str]

    def prepare(self, run: Run) -> None:
        """Start what nodes need at their creation."""
        return

    @abstractmethod
    def shape(self, deployment: Deployment, run: Run) -> None:
        """Apply every link of the topology; ProvisionError if that fails."""

    @abstractmethod
    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links while traffic flows; ``src`` and ``dst`` name a tier or a node."""


class NoEngine(Engine):
    """For nodes whose links are not emulated."""

    name = ""

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Does nothing."""

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Raises HostError."""
        raise HostError("the links of this run are not emulated and cannot be changed")
