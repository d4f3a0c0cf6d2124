"""Contract of resource managers: they install themselves on nodes and run workloads there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from continuum.connection.deployment import Deployment
from continuum.model.config import Config
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules.base import Module
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.rundir.run import Run


class ResourceManager(Module):
    """Installs itself on nodes and runs workloads on them.

    Attributes:
        runs_containers: whether it takes nodes on which containers can run.
        offers: what execution models can work on, by names that these know: ``processes`` where workloads
            are started on nodes as they are.
    """

    runs_containers: ClassVar[bool] = False
    offers: ClassVar[tuple[str, ...]] = ()

    def demand(self, topology: Topology, config: Config) -> Topology:
        """The topology with nodes that can do what it needs of them besides; pure.

        Whatever is demanded costs time on every run, so only nodes that need it should have it.
        """
        return topology

    def offer(self, topology: Topology, config: Config) -> Topology:
        """The topology as applications may use it, without the nodes it keeps for itself; pure."""
        return topology

    def install(self, deployment: Deployment, plan: Plan, run: Run) -> Deployment:
        """Make the nodes ready to take workloads."""
        return deployment

    def supply(self, workloads: Sequence[Workload], deployment: Deployment, run: Run) -> None:
        """Bring what workloads need to their nodes, to all at once; called before the first is submitted."""
        return

    @abstractmethod
    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload on its nodes; DeployError when it cannot."""

    def packs(self, workload: Workload) -> bool:
        """Whether it brings a workload together with the programs it starts, as in an image; pure."""
        return False

    def collect(self, deployment: Deployment, run: Run) -> None:
        """Keep with the run what it observed, if it does; called when the workloads have ended."""
        return
