"""Nodes as ``state.json`` keeps them."""

from __future__ import annotations

import json

from continuum.model.node import Node, node_from_json, node_to_json
from continuum.model.topology import NodeSpec


def test_every_field_of_a_node_is_kept() -> None:
    spec = NodeSpec("edge0", "edge", 0, cores=2, memory_mb=512, cpus=(1, 3))
    node = Node(
        spec,
        "10.77.0.1",
        {"pid": 7},
        management="10.78.0.1",
        python="/opt/bin/python3",
        folder="/srv/run",
        interface="enp1s0",
        shares_host=True,
        timeout_scale=10.0,
    )
    assert node_from_json(json.loads(json.dumps(node_to_json(node)))) == node
