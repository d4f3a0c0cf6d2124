"""What workloads need comes to all nodes at the same time, and to one node in turns."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from continuum.connection.deployment import Deployment
from continuum.model.node import Node
from continuum.model.topology import NodeSpec, Tier, Topology
from continuum.model.workload import Workload
from continuum.rundir.run import Run
from resource_manager.none import manager

SPECS = (NodeSpec("cloud0", "cloud", 0, 1, 1), NodeSpec("endpoint0", "endpoint", 0, 1, 1))
WORKLOADS = (Workload("server", "cloud", ("s",), serves=True), Workload("client", "endpoint", ("c",)))


class SomeRun:
    id = "run"
    directory = Path()


def test_workloads_that_share_a_node_take_turns() -> None:
    assert manager.taking_turns({"a": {"x"}, "b": {"y"}, "c": {"z"}}) == [["a"], ["b"], ["c"]]
    assert manager.taking_turns({"a": {"x"}, "b": {"y"}, "c": {"x", "y"}, "d": {"z"}}) == [
        ["a", "b", "c"],
        ["d"],
    ]
    assert manager.taking_turns({}) == []


def test_nodes_are_supplied_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=20)

    def packages(workload: Workload, nodes: Sequence[Node], _deployment: Deployment) -> Mapping[str, object]:
        both.wait()  # breaks where one waits for the other
        return {node.name: workload.name for node in nodes}

    monkeypatch.setattr(manager, "_packages", packages)
    tiers = (Tier("cloud", 1, 1, 1), Tier("endpoint", 1, 1, 1))
    nodes = tuple(Node(spec, "10.0.0.1") for spec in SPECS)
    tested = manager.NoManager()
    tested.supply(
        WORKLOADS, Deployment(Topology(tiers, SPECS, (), emulated=False), nodes, {}), cast("Run", SomeRun())
    )
    assert tested._supplied == {
        ("run", "server"): {"cloud0": "server"},
        ("run", "client"): {"endpoint0": "client"},
    }
