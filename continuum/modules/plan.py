"""The modules that a config names, and what they are together: nodes, workloads and stages."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.model.config import Config
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.job import Job
from continuum.modules.provider import Provider
from continuum.modules.resource_manager import ResourceManager
from continuum.rundir.run import Run


@dataclass(frozen=True)
class Modules:
    """The modules a config names.

    Attributes:
        provider: makes the nodes.
        resource_manager: runs workloads on them.
        application: None when nothing is to be measured.
        execution_model: how the application's workers are run; None for as the resource manager does it.
    """

    provider: Provider
    resource_manager: ResourceManager
    application: Application | None
    execution_model: ExecutionModel | None = None

    def all(self) -> tuple[Module, ...]:
        """Those that are in use."""
        every = (self.provider, self.resource_manager, self.execution_model, self.application)
        return tuple(module for module in every if module is not None)

    def topology(self, config: Config) -> Topology:
        """What shall exist: what the config says, and what the resource manager demands of it."""
        return self.resource_manager.demand(topology_builder.from_config(config), config)

    def workloads(self, config: Config, planned: Topology) -> tuple[Workload, ...]:
        """What the application runs on the nodes that the resource manager offers; nothing without one."""
        if self.application is None:
            return ()
        offered = self.resource_manager.offer(planned, config)
        workloads = self.application.workloads(config, offered)
        if self.execution_model is None:
            return workloads
        return self.execution_model.arrange(workloads, offered, config)

    def servers(self, config: Config, planned: Topology) -> int:
        """Requests that all workers together can process at the same time; 0 without an application."""
        if self.application is None:
            return 0
        offered = self.resource_manager.offer(planned, config)
        servers = self.application.servers(config, offered)
        if self.execution_model is None:
            return servers
        workloads = self.application.workloads(config, offered)
        return self.execution_model.servers(servers, workloads, offered, config)

    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start one of the workloads."""
        if self.execution_model is None:
            return self.resource_manager.submit(workload, deployment, run)
        return self.execution_model.submit(workload, self.resource_manager, deployment, run)

    @property
    def stages(self) -> tuple[str, ...]:
        """What a request goes through, in order."""
        stages = self.application.stages if self.application else ()
        before = self.execution_model.stage if self.execution_model else ""
        if not before or not self.application:
            return stages
        place = stages.index(self.application.arrival)
        return (*stages[:place], before, *stages[place:])


def load_modules(config: Config) -> Modules:
    """The modules that a config names; the config has been checked, so they exist."""
    alone = config.infrastructure.flag("infra_only") or config.benchmark.flag("resource_manager_only")
    name = None if alone else config.benchmark.maybe_text("application")
    manager = (
        "none" if config.infrastructure.flag("infra_only") else config.benchmark.text("resource_manager")
    )
    model = None if config.infrastructure.flag("infra_only") else config.execution_model.maybe_text("model")
    return Modules(
        registry.provider(config.infrastructure.text("provider")),
        registry.resource_manager(manager),
        registry.application(name) if name else None,
        registry.execution_model(model) if model else None,
    )
