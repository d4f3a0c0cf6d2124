"""Workloads run on nodes that exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from continuum.config import loader
from continuum.config.planner import make_plan
from continuum.errors import ConfigError
from continuum.model.config import Config
from continuum.model.events import Event
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.modules.modules_in_use import Modules
from continuum.modules.plan import Plan

TEXT = """[infrastructure]
provider = local
edge_nodes = 2
edge_cores = 1
edge_memory = 1
[benchmark]
application = empty
"""


class Fixed(Application):
    """Runs one workload on given nodes, whatever the config says."""

    summary = "an application for tests"
    stages = ("process",)
    server = Workload("server", "cloud", ("true",))

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        return (self.server,)

    def duration_s(self, config: Config) -> float:
        return 1.0

    def servers(self, config: Config, topology: Topology) -> int:
        return 1

    def events(self, raw: Path) -> Iterator[Event]:
        return iter(())


def plan(server: Workload) -> Plan:
    application = Fixed()
    application.server = server
    modules = Modules(registry.provider("local"), registry.resource_manager("none"), application)
    return make_plan(loader.parse(TEXT, "x.cfg"), modules)


def test_a_workload_on_a_tier_without_nodes_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        plan(Workload("server", "cloud", ("true",)))
    assert str(refused.value) == (
        'x.cfg:7: [benchmark] application = "empty": workload server runs on tier cloud, which has no nodes'
        " for it; tiers with nodes: edge"
    )


def test_a_workload_on_a_node_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="workload server runs on edge2, which does not exist"):
        plan(Workload("server", "edge", ("true",), nodes=("edge0", "edge2")))


def test_a_workload_on_existing_nodes_is_planned() -> None:
    server = Workload("server", "edge", ("true",), nodes=("edge1",))
    assert plan(server).workloads == (server,)
