"""Counters of a node that are read while the load runs."""

from __future__ import annotations

from continuum.host.cgroup import counters
from continuum.model.node import Node, Strain

_DROPPED = 11
"""Position of the transmit drops among the numbers of an interface in ``/proc/<pid>/net/dev``."""


def of_node(node: Node, emulation_s: float = 0.0) -> Strain:
    """The counters of a node's control groups and interface, beside CPU time of making it slow."""
    cpu_s, throttled_s = counters.cpu_and_throttled_s(node.handle["groups"]["paths"])
    return Strain(cpu_s, throttled_s, unread_packets(int(node.handle["pid"]), node.interface), emulation_s)


def unread_packets(pid: int, interface: str) -> int | None:
    """Packets that the queue of a node's TUN device had no room for; None if it has none.

    Reads ``/proc/<pid>/net/dev``, see man 5 proc.
    """
    try:
        for line in counters.read(f"/proc/{pid}/net/dev").decode("ascii").splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == interface:
                return int(numbers.split()[_DROPPED])
    except (OSError, ValueError, IndexError):
        pass
    return None
