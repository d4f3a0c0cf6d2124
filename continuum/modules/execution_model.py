"""Base class of execution models, such as serverless functions."""

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
from continuum.modules.resource_manager import ResourceManager
from continuum.rundir.run import Run


class ExecutionModel(Module):
    """Another way to run an application's workers, on top of a resource manager.

    Attributes:
        needs: interfaces of resource managers that it can use (``ResourceManager.offers``); one is enough.
        stage: name of the stage that it adds in front of a worker; empty if none.
    """

    needs: ClassVar[tuple[str, ...]]
    stage: ClassVar[str] = ""

    @abstractmethod
    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        """The workloads to run instead of the application's, in the order to start them; pure."""

    def servers(self, servers: int, workloads: Sequence[Workload], topology: Topology, config: Config) -> int:
        """Requests that all workers together can process at the same time; pure.

        Args:
            servers: the number without an execution model.
            workloads: the application's workloads.
            topology: the part of the topology that applications may use.
            config: the checked config.
        """
        return servers

    def install(self, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run) -> None:
        """Install itself; called after the resource manager is installed."""
        return

    def submit(
        self, workload: Workload, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run
    ) -> Job:
        """Start one of the workloads that it arranged.

        Raises:
            DeployError: the workload cannot be started.
        """
        return manager.submit(workload, deployment, run)
