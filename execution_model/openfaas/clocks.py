"""How far clocks that count from 1970 are apart on different nodes, for times that a gateway notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from continuum.connection import Connection
from continuum.measure import clock

_TIMEOUT_S = 30.0
# The least of some differences: a reading that is interrupted between the two clocks gives a greater one.
_READ = "import time; print(min(time.time_ns() - time.monotonic_ns() for _ in range(1000)))"


@dataclass(frozen=True)
class Ahead:
    """How far the clocks of nodes are ahead of a gateway's.

    Attributes:
        by_node_ns: in ns, by node; nodes that read the same clock are left out.
        error_ns: largest possible error of each.
    """

    by_node_ns: Mapping[str, int]
    error_ns: int = 0


def measure(connections: Mapping[str, Connection], gateway: str, python: Mapping[str, str]) -> Ahead:
    """Compare the clocks of some nodes with that of the gateway's node.

    A node's CLOCK_MONOTONIC is compared with this process's own, and on the node itself with its clock that
    counts from 1970.

    Args:
        connections: to the nodes, the gateway's among them.
        gateway: name of the gateway's node.
        python: interpreter of each node.
    """
    if all(connection.host_clock for connection in connections.values()):
        return Ahead({})
    offsets = clock.measure_all(connections)

    def wall_ns(node: str) -> int:
        argv = [python[node], "-I", "-c", _READ]
        return offsets[node].offset_ns + int(connections[node].run(argv, timeout=_TIMEOUT_S).stdout)

    here_ns = wall_ns(gateway)
    others = {node: wall_ns(node) - here_ns for node in connections if node != gateway}
    worst_ns = max((offsets[node].error_ns for node in others), default=0)
    return Ahead(others, worst_ns + offsets[gateway].error_ns if others else 0)
