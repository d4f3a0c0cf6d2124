"""Counters of a node that are read while the load runs."""

from __future__ import annotations

from continuum.host.cgroup.node import NodeGroups
from continuum.model.node import Strain

_DROPPED = 11
"""Position of the transmit drops among the numbers of an interface in ``/proc/<pid>/net/dev``."""


def of_node(groups: NodeGroups, pid: int, interface: str) -> Strain:
    """The counters of a node.

    Args:
        groups: its control groups.
        pid: a process in its network namespace.
        interface: its interface to the network engine.
    """
    return Strain(groups.cpu_seconds(), groups.throttled_seconds(), unread_packets(pid, interface))


def unread_packets(pid: int, interface: str) -> int | None:
    """Packets that the queue of a node's TUN device had no room for; None if it has none.

    Reads ``/proc/<pid>/net/dev``, see man 5 proc.
    """
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:  # noqa: PTH123 (of every node, each second)
            for line in file:
                name, _, numbers = line.partition(":")
                if name.strip() == interface:
                    return int(numbers.split()[_DROPPED])
    except (OSError, ValueError, IndexError):
        pass
    return None
