"""Contract of network engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import HostError
from continuum.model.topology import Link
from continuum.rundir.run import Run


class Engine(ABC):
    """Emulates the links of a run.

    Attributes:
        name: as in ``network_engine``.
    """

    name: ClassVar[str]

    def prepare(self, run: Run) -> None:
        """Set up what nodes need to find when they are made."""
        return

    @abstractmethod
    def shape(self, deployment: Deployment, run: Run) -> None:
        """Put every link of the topology in force; ProvisionError when it cannot be done."""

    @abstractmethod
    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links while traffic flows; ``src`` and ``dst`` name a tier or a node."""

    @abstractmethod
    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """What the engine counted so far, in its own words."""

    @abstractmethod
    def remove(self, deployment: Deployment, run: Run) -> None:
        """Make every link a plain wire again."""


class NoEngine(Engine):
    """For providers whose nodes have real links, and for those without any."""

    name = ""

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Nothing is emulated."""

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Nothing can be changed."""
        raise HostError("the links of this run are not emulated, so they cannot be changed")

    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """Nothing was counted."""
        return {}

    def remove(self, deployment: Deployment, run: Run) -> None:
        """Nothing is there."""
