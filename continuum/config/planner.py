"""From a checked config to the modules it names and the plan of its run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from continuum.config import topology_builder
from continuum.errors import ConfigError, Problem
from continuum.model.config import Config
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.base import Module
from continuum.modules.modules_in_use import Modules
from continuum.modules.plan import Plan
from continuum.software.artifacts import Artifact


def load_modules(config: Config) -> Modules:
    """The modules that a config names; the config has been checked, so they exist."""
    infra_only = config.infrastructure.flag("infra_only")
    alone = infra_only or config.benchmark.flag("resource_manager_only")
    application = None if alone else config.benchmark.maybe_text("application")
    manager = "none" if infra_only else config.benchmark.text("resource_manager")
    model = None if infra_only else config.execution_model.maybe_text("model")
    return Modules(
        registry.provider(config.infrastructure.text("provider")),
        registry.resource_manager(manager),
        registry.application(application) if application else None,
        registry.execution_model(model) if model else None,
    )


def make_plan(config: Config, modules: Modules) -> Plan:
    """The plan of a run with these modules.

    Raises:
        ConfigError: a workload would run on nodes that do not exist.
    """
    topology = modules.resource_manager.demand(topology_builder.from_config(config), config)
    offered = modules.resource_manager.offer(topology, config)
    workloads, servers = _workloads(modules, offered, config)
    if problems := [problem for one in workloads for problem in _without_nodes(one, offered, config)]:
        raise ConfigError(problems)
    return Plan(
        config=config,
        topology=topology,
        offered=offered,
        workloads=workloads,
        stages=_stages(modules),
        servers=servers,
        artifacts=_artifacts(modules.all(), config),
        packages=tuple(dict.fromkeys(_packages(modules.all(), workloads, config))),
    )


def _workloads(modules: Modules, offered: Topology, config: Config) -> tuple[tuple[Workload, ...], int]:
    """The workloads to run, and how many requests all workers together can process at the same time."""
    application, model = modules.application, modules.execution_model
    if application is None:
        return (), 0
    workloads, servers = application.workloads(config, offered), application.servers(config, offered)
    if model is None:
        return workloads, servers
    return model.arrange(workloads, offered, config), model.servers(servers, workloads, offered, config)


def _without_nodes(workload: Workload, offered: Topology, config: Config) -> Iterator[Problem]:
    """Problems with a workload whose tier or nodes do not exist, or are not offered to applications."""
    there = {node.name for node in offered.nodes_of(workload.tier)}
    if not there:
        tiers = ", ".join(offered.tier_names()) or "none"
        message = f"workload {workload.name} runs on tier {workload.tier}, which has no nodes for it"
        yield config.benchmark.problem("application", f"{message}; tiers with nodes: {tiers}")
    elif missing := sorted(set(workload.nodes) - there):
        message = f"workload {workload.name} runs on {', '.join(missing)}, which does not exist"
        yield config.benchmark.problem("application", message)


def _stages(modules: Modules) -> tuple[str, ...]:
    """The application's stages, with the execution model's own in front of a worker's first."""
    if modules.application is None:
        return ()
    stages = modules.application.stages
    if modules.execution_model is None or not modules.execution_model.stage:
        return stages
    place = stages.index(modules.application.arrival)
    return (*stages[:place], modules.execution_model.stage, *stages[place:])


def _artifacts(modules: Iterable[Module], config: Config) -> tuple[Artifact, ...]:
    """The artifacts of all modules, each once.

    Raises:
        ValueError: two modules name different files alike, which is a defect of one of them.
    """
    found: dict[str, Artifact] = {}
    for artifact in (one for module in modules for one in module.artifacts(config)):
        if found.setdefault(artifact.name, artifact) != artifact:
            raise ValueError(f"two different artifacts are called {artifact.name}")
    return tuple(found.values())


def _packages(modules: Iterable[Module], workloads: Iterable[Workload], config: Config) -> Iterator[str]:
    for module in modules:
        yield from module.packages(config)
    for workload in workloads:
        yield from (program.package for program in workload.programs)
