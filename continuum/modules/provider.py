"""Contract of providers: they create and destroy nodes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from continuum.connection.base import Connection
from continuum.errors import UsageError
from continuum.host.facts import Host
from continuum.model.config import Config
from continuum.model.node import Node, Usage
from continuum.model.topology import NodeSpec, Topology
from continuum.modules.base import Module
from continuum.rundir.run import Run
from continuum.software.debian_image import ImageRequest


class Provider(Module):
    """Creates and destroys nodes.

    Attributes:
        engines: network engines its nodes can use, the preferred one first.
        own_kernel: whether nodes have kernels of their own, so that this host's says nothing about engines.
        real_network: whether a network that delays packets by itself lies between nodes.
        slow_wires: whether packets take time between nodes though nothing lies between them, as where both
            are interpreted; it is measured and subtracted as a real network's, but no link is refused for it.
        shares_host: whether nodes find what is installed on this host.
        no_containers: why its nodes cannot run containers, in words; empty where they can, of those at least
            whose ``spec.hosts_containers`` asks for it.
    """

    engines: ClassVar[tuple[str, ...]] = ()
    own_kernel: ClassVar[bool] = False
    real_network: ClassVar[bool] = False
    slow_wires: ClassVar[bool] = False
    shares_host: ClassVar[bool] = False
    no_containers: ClassVar[str] = ""

    @abstractmethod
    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make the nodes, in parallel; owns every resource in the run's journal first."""

    @abstractmethod
    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Remove every (kind, id) of the journal that is this provider's; harmless when repeated."""

    @abstractmethod
    def connect(self, node: Node, run: Run) -> Connection:
        """A connection to a node that exists, from its handle alone."""

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Put CPU quotas in force, where they are not from the start."""
        return

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each node has used so far, by its name."""
        return {}

    def notes(self, run: Run) -> tuple[str, ...]:
        """What could not be enforced on this host, in words; part of the result."""
        return ()

    def estimate(self, config: Config, topology: Topology) -> tuple[str, ...]:
        """What the nodes will cost, one line each, for ``continuum plan``; pure."""
        return ()

    def placement(self, config: Config, topology: Topology) -> Mapping[str, str]:
        """On which machine each node would be put now, by its name, for ``continuum plan``.

        Empty where there is one machine only. Asks the machines, changes nothing; HostError when one does
        not answer or the nodes do not fit.
        """
        return {}

    def build_image(self, request: ImageRequest) -> str:
        """Make the base image its nodes start from; returns its name.

        Raises UsageError where nodes need none, HostError and ProvisionError when it cannot be made.
        """
        raise UsageError("nodes of this provider are not made from an image that could be built")

    def survivors(self, host: Host) -> Iterable[str]:
        """Ids of this user's runs of which something exists but neither folder nor journal."""
        return ()
