"""How far the wall clocks of different nodes are apart, for times that a gateway notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from continuum.connection import Connection
from continuum.measure import clock
from resource_manager.kubernetes.api import wall_offsets


@dataclass(frozen=True)
class Ahead:
    """How far the clocks of nodes are ahead of a gateway's.

    Attributes:
        by_node_ns: in ns, by node; nodes with the same clock as the gateway are left out.
        error_ns: largest possible error of each.
    """

    by_node_ns: Mapping[str, int]
    error_ns: int = 0


def measure(connections: Mapping[str, Connection], gateway: str, python: Mapping[str, str]) -> Ahead:
    """Compare the wall clocks of some nodes with that of the gateway's node.

    A node's CLOCK_MONOTONIC is compared with that of this process, and on the node with its CLOCK_REALTIME.

    Args:
        connections: to the nodes, the gateway's among them.
        gateway: name of the gateway's node.
        python: interpreter of each node.
    """
    if all(connection.host_clock for connection in connections.values()):
        return Ahead({})
    monotonic, wall = clock.measure_all(connections), wall_offsets(connections, python)
    wall_ns = {node: monotonic[node].offset_ns + wall[node].offset_ns for node in connections}
    others = {node: wall_ns[node] - wall_ns[gateway] for node in connections if node != gateway}
    if not others:
        return Ahead(others)
    errors_ns = {node: monotonic[node].error_ns + wall[node].error_ns for node in connections}
    return Ahead(others, max(errors_ns[node] for node in others) + errors_ns[gateway])
