"""The plan of a run: made once, from a checked config and the modules it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from continuum.config import loader
from continuum.config.planner import load_modules, make_plan
from continuum.model.config import Config
from continuum.model.events import Event
from continuum.model.topology import Topology
from continuum.model.workload import Program, Workload
from continuum.modules.application import Application
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.modules_in_use import Modules
from continuum.software.artifacts import Artifact
from resource_manager.none.manager import NoManager

TEXT = """
[infrastructure]
cloud_nodes = 2
cloud_cores = 1
cloud_memory = 1
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1
[benchmark]
application = video
"""


class Counting(Application):
    """Counts how often it is asked for its workloads."""

    summary: ClassVar[str] = "for tests"
    stages: ClassVar[tuple[str, ...]] = ("work",)

    def __init__(self, artifacts: Mapping[str, str] | None = None) -> None:
        self.asked = 0
        self._artifacts = artifacts or {}

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        self.asked += 1
        broker = Program("mosquitto", "mosquitto")
        return (
            Workload("worker", "cloud", ("true",), programs=(broker,)),
            Workload("client", "endpoint", ("true",), programs=(broker,)),
        )

    def duration_s(self, config: Config) -> float:
        return 1.0

    def servers(self, config: Config, topology: Topology) -> int:
        return len(topology.nodes_of("cloud"))

    def events(self, raw: Path) -> Iterator[Event]:
        yield from ()

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        return tuple(Artifact(name, version, "binary") for name, version in self._artifacts.items())


class FirstNodeIsReserved(NoManager):
    """Keeps a node for itself, as a control plane does, and installs a file."""

    def offer(self, topology: Topology, config: Config) -> Topology:
        rest = tuple(node for node in topology.nodes if node.name != "cloud0")
        return Topology(topology.tiers, rest, topology.links, topology.emulated)

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        return (Artifact("tool", "v1", "binary"),)


class Doubling(ExecutionModel):
    """Runs every worker twice."""

    summary: ClassVar[str] = "for tests"
    needs: ClassVar[tuple[str, ...]] = ("processes",)

    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        return tuple(replace(one, replicas_per_node=2) if one.name == "worker" else one for one in workloads)

    def servers(self, servers: int, workloads: Sequence[Workload], topology: Topology, config: Config) -> int:
        assert [one.replicas_per_node for one in workloads] == [1, 1], "the application's own workloads"
        return 2 * servers


def modules(
    application: Application | None,
    manager: NoManager | None = None,
    model: ExecutionModel | None = None,
) -> tuple[Config, Modules]:
    config = loader.parse(TEXT)
    return config, Modules(load_modules(config).provider, manager or NoManager(), application, model)


def test_workloads_are_derived_once() -> None:
    application = Counting()
    plan = make_plan(*modules(application, model=Doubling()))
    assert application.asked == 1
    assert [(one.name, one.replicas_per_node) for one in plan.workloads] == [("worker", 2), ("client", 1)]
    assert plan.servers == 4
    assert plan.packages == ("mosquitto",)


def test_applications_use_only_what_the_resource_manager_offers() -> None:
    config, used = modules(Counting(), FirstNodeIsReserved())
    plan = make_plan(config, used)
    assert [node.name for node in plan.topology.nodes] == ["cloud0", "cloud1", "endpoint0"]
    assert [node.name for node in plan.offered.nodes] == ["cloud1", "endpoint0"]
    assert plan.servers == 1


def test_an_artifact_of_several_modules_is_listed_once() -> None:
    config, used = modules(Counting({"tool": "v1", "more": "v2"}), FirstNodeIsReserved())
    assert [one.name for one in make_plan(config, used).artifacts] == ["tool", "more"]


def test_modules_that_name_different_files_alike_are_refused() -> None:
    config, used = modules(Counting({"tool": "v2"}), FirstNodeIsReserved())
    with pytest.raises(ValueError, match="two different artifacts are called tool"):
        make_plan(config, used)


def test_without_an_application_nothing_runs() -> None:
    plan = make_plan(*modules(None))
    assert (plan.workloads, plan.stages, plan.servers) == ((), (), 0)
