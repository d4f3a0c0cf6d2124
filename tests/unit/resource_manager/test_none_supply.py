"""What workloads need is installed on all nodes at the same time, on one node in turns."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from continuum.connection.deployment import Deployment
from continuum.model.node import Node
from continuum.model.topology import NodeSpec, Tier, Topology
from continuum.model.workload import Workload
from continuum.rundir.run import Run
from continuum.software.packages.deliver import Installed
from resource_manager.none import manager

SPECS = (NodeSpec("cloud0", "cloud", 0, 1, 1), NodeSpec("endpoint0", "endpoint", 0, 1, 1))
WORKLOADS = (Workload("server", "cloud", ("s",), serves=True), Workload("client", "endpoint", ("c",)))
PLACED = Installed("/usr/bin/python3", "/code", 1.0, 2.0, 3.0, 4)


def test_workloads_that_share_a_node_take_turns() -> None:
    assert manager.taking_turns({"a": {"x"}, "b": {"y"}, "c": {"z"}}) == [["a"], ["b"], ["c"]]
    assert manager.taking_turns({"a": {"x"}, "b": {"y"}, "c": {"x", "y"}, "d": {"z"}}) == [
        ["a", "b", "c"],
        ["d"],
    ]
    assert manager.taking_turns({}) == []


def test_nodes_are_supplied_at_the_same_time_and_the_run_knows_with_what(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    both = threading.Barrier(2, timeout=20)

    def packages(
        _workload: Workload, nodes: Sequence[Node], _deployment: Deployment
    ) -> Mapping[str, Installed]:
        both.wait()  # breaks where one waits for the other
        return {node.name: PLACED for node in nodes}

    monkeypatch.setattr(manager, "_packages", packages)
    tiers = (Tier("cloud", 1, 1, 1), Tier("endpoint", 1, 1, 1))
    nodes = tuple(Node(spec, "10.0.0.1") for spec in SPECS)
    run = Run(tmp_path)
    supplier = manager.NoManager()
    supplier.supply(WORKLOADS, Deployment(Topology(tiers, SPECS, (), emulated=False), nodes, {}), run)
    assert manager._supplied(WORKLOADS[0], run) == {"cloud0": PLACED}
    assert manager._supplied(WORKLOADS[1], run) == {"endpoint0": PLACED}
    assert vars(supplier) == {}, "a module keeps nothing of a run"
