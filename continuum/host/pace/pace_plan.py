"""The input of the process that slows nodes down: plain JSON on its standard input."""

from __future__ import annotations

import json
from typing import NamedTuple

SLICE_NS = 500_000
"""A node computes for so long at full speed, then waits. Shorter ones cost more and come no closer."""

READY = "ready"
"""Answer of the process once nodes are slowed down."""


class PacedNode(NamedTuple):
    """One node.

    Attributes:
        name: its name.
        counted: folder of its control group in the hierarchy that counts CPU time.
        stopped: folder of its control group in the hierarchy ``freezer``.
        speed: speed of its processors, as a share of this host's.
        cores: number of its processors.
    """

    name: str
    counted: str
    stopped: str
    speed: float
    cores: int


class PacePlan(NamedTuple):
    """All nodes, and where the process keeps a group of its own.

    Attributes:
        trial: control groups for a trial of what stopping costs, in the hierarchies of ``counted`` and
            ``stopped``; to create and to remove.
        hold: control group of ``freezer`` without processes, to create and to keep stopped. The kernel
            changes its code when the first group of the host is stopped and when the last one is released,
            which takes 0.1 ms; with this one, neither happens.
        cpus: CPUs of the host that the nodes may use.
        nodes: the nodes.
    """

    trial: tuple[str, str]
    hold: str
    cpus: tuple[int, ...]
    nodes: tuple[PacedNode, ...]

    def to_json(self) -> str:
        """The plan as JSON."""
        return json.dumps([self.trial, self.hold, self.cpus, self.nodes])


def from_json(text: str) -> PacePlan:
    """A plan from its JSON."""
    trial, hold, cpus, nodes = json.loads(text)
    return PacePlan((trial[0], trial[1]), hold, tuple(cpus), tuple(PacedNode(*node) for node in nodes))
