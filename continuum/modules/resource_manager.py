"""Base class of resource managers, which install themselves on nodes and run workloads there."""

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
        runs_containers: whether it needs nodes that can run containers.
        offers: interfaces for execution models, by name, such as ``processes`` if workloads start as plain
            processes on the nodes.
    """

    runs_containers: ClassVar[bool] = False
    offers: ClassVar[tuple[str, ...]] = ()

    def demand(self, topology: Topology, config: Config) -> Topology:
        """The topology with what it needs of each node in addition; pure.

        Every demand costs time on every run, so it should be made only for nodes that need it.
        """
        return topology

    def offer(self, topology: Topology, config: Config) -> Topology:
        """The part of the topology that applications may use, without nodes reserved for itself; pure."""
        return topology

    def install(self, deployment: Deployment, plan: Plan, run: Run) -> Deployment:
        """Install itself, so that the nodes accept workloads; returns the deployment to go on with.

        Raises:
            DeployError: a step fails on a node.
        """
        return deployment

    def supply(self, workloads: Sequence[Workload], deployment: Deployment, run: Run) -> None:
        """Copy what the workloads need to their nodes, in parallel; called before the first ``submit``."""
        return

    @abstractmethod
    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload on its nodes.

        Raises:
            DeployError: the workload cannot be started.
        """

    def packs(self, workload: Workload) -> bool:
        """Whether a workload comes with the programs it needs, as in a container image; pure."""
        return False

    def collect(self, deployment: Deployment, run: Run) -> None:
        """Store what it observed during the benchmark in the run folder; called after the workloads end."""
        return
