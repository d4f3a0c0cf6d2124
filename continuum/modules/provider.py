"""Base class of providers, which create and destroy nodes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from continuum.connection.base import Connection
from continuum.connection.deployment import Deployment
from continuum.errors import UsageError
from continuum.host.facts import Host
from continuum.model.config import Config
from continuum.model.node import Node, Strain, Usage
from continuum.model.topology import NodeSpec, Topology
from continuum.modules.base import Module
from continuum.rundir.run import Run
from continuum.software.debian_image import ImageRequest


class Provider(Module):
    """Creates and destroys nodes.

    An instance keeps nothing of a run: what belongs to a run goes into the run (``run.own``, ``run.note``),
    into the handles of its nodes, or into the deployment.

    Attributes:
        engines: network engines that its nodes can use, the preferred one first.
        own_kernel: whether each node has its own kernel. If so, the host's kernel does not decide which
            engines work.
        real_network: whether a physical network, with a delay of its own, connects the nodes.
        slow_wires: whether the nodes themselves delay packets noticeably, as TCG-emulated guests do. That
            delay is measured and subtracted like that of a real network, but never a reason to refuse a link.
        shares_host: whether software that is installed on the host is visible on its nodes.
        no_containers: why its nodes cannot run containers; empty if they can (at least those with
            ``spec.hosts_containers``).
    """

    engines: ClassVar[tuple[str, ...]] = ()
    own_kernel: ClassVar[bool] = False
    real_network: ClassVar[bool] = False
    slow_wires: ClassVar[bool] = False
    shares_host: ClassVar[bool] = False
    no_containers: ClassVar[str] = ""

    @abstractmethod
    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Create the nodes, in parallel. Journals every resource (``run.own``) before creating it.

        Limits that this host cannot enforce are noted in the run (``run.note``), one sentence each.

        Raises:
            ProvisionError: a node cannot be created.
        """

    @abstractmethod
    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Remove everything of a run that this provider created; idempotent.

        The journal is input: it says where to look and may be damaged, incomplete or forged. What is removed
        is proved to belong to the run by its label, mark or computed name; entries that do not belong to it
        are reported with ``run.tell``. What has the label is removed even if no entry names it.

        Args:
            run: the run; its folder may no longer exist.
            owned: every (kind, id) of the journal.
        """

    @abstractmethod
    def connect(self, node: Node, run: Run) -> Connection:
        """Open a connection to an existing node, using only its handle."""

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Apply CPU quotas, if they are not in effect since creation."""
        return

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """Resource usage of each node so far, by node name."""
        return {}

    def strain(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Strain]:
        """Counters of nodes that use this host's CPUs, by node name; read every second while the load runs.

        Empty if the nodes are elsewhere, or if reading them would disturb the load.
        """
        return {}

    def no_virtual_machines(self, config: Config, host: Host) -> str:
        """Why virtual machines cannot run on its nodes; empty if they can, or if only a node knows."""
        return ""

    def estimate(self, config: Config, topology: Topology) -> tuple[str, ...]:
        """Expected costs of the nodes, one line each, for ``continuum plan``; pure."""
        return ()

    def placement(self, config: Config, topology: Topology) -> Mapping[str, str]:
        """Machine that each node would be placed on now, by node name, for ``continuum plan``.

        Empty if there is only one machine. Changes nothing.

        Raises:
            HostError: a machine does not answer, or the nodes do not fit.
        """
        return {}

    def build_image(self, request: ImageRequest) -> str:
        """Build the base image that its nodes start from; returns the name of the image.

        Raises:
            UsageError: its nodes need no image.
            HostError: the host cannot build it.
            ProvisionError: the build fails.
        """
        raise UsageError("this provider needs no base image, so there is nothing to build")

    def survivors(self, host: Host) -> Mapping[str, str] | Iterable[str]:
        """Ids of this user's runs that have resources now, if possible with their folders (empty if unknown).

        Without runs that were started in another mount or PID namespace, as in a container.
        """
        return ()
