"""The modules that a config names."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.connection.deployment import Deployment
from continuum.model.workload import Workload
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.modules.provider import Provider
from continuum.modules.resource_manager import ResourceManager
from continuum.rundir.run import Run


@dataclass(frozen=True)
class Modules:
    """The modules that a config names.

    Attributes:
        provider: creates the nodes.
        resource_manager: runs workloads on them.
        application: None when nothing is to be measured.
        execution_model: how the application's workers run; None for the resource manager's own way.
    """

    provider: Provider
    resource_manager: ResourceManager
    application: Application | None
    execution_model: ExecutionModel | None = None

    def all(self) -> tuple[Module, ...]:
        """Every module in use."""
        every = (self.provider, self.resource_manager, self.execution_model, self.application)
        return tuple(module for module in every if module is not None)

    def install(self, deployment: Deployment, plan: Plan, run: Run) -> Deployment:
        """Let the resource manager, then the execution model, make the nodes ready for workloads."""
        deployment = self.resource_manager.install(deployment, plan, run)
        if self.execution_model is not None:
            self.execution_model.install(self.resource_manager, deployment, plan, run)
        return deployment

    def submit(self, workload: Workload, deployment: Deployment, plan: Plan, run: Run) -> Job:
        """Start one of the plan's workloads."""
        if self.execution_model is None:
            return self.resource_manager.submit(workload, deployment, run)
        return self.execution_model.submit(workload, self.resource_manager, deployment, plan, run)
