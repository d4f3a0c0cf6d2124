"""Contract of execution models: another way to run the workers of an application."""

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
        needs: what it can work on, as in ``ResourceManager.offers``; one of them is enough.
        stage: what a request goes through before it arrives at a worker; empty if nothing.
    """

    needs: ClassVar[tuple[str, ...]]
    stage: ClassVar[str] = ""

    @abstractmethod
    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        """What is run instead of an application's workloads, in the order to start it; pure."""

    def servers(self, servers: int, workloads: Sequence[Workload], topology: Topology, config: Config) -> int:
        """Requests that all workers together can process at the same time; pure.

        Args:
            servers: as many as the application has without an execution model.
            workloads: the application's.
            topology: as the application may use it.
            config: what the user wants.
        """
        return servers

    def install(self, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run) -> None:
        """Prepare what workers will run on, once the resource manager is installed."""
        return

    def submit(
        self, workload: Workload, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run
    ) -> Job:
        """Start one of the workloads that it arranged; DeployError when it cannot."""
        return manager.submit(workload, deployment, run)
