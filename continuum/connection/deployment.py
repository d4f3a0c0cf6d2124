"""The existing nodes of a run, with a connection to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from continuum.connection.base import Connection
from continuum.model.node import Node
from continuum.model.topology import Topology


@dataclass(frozen=True)
class Deployment:
    """The existing nodes of a run, and a connection to each.

    Attributes:
        topology: the topology that they were created from.
        nodes: the nodes, in the topology's order.
        connections: a connection to each node, by its name.
        engine: network engine that shapes the links.
        native_delays_ms: one-way delay that the real network has between two tiers, as measured; empty
            where the whole network is emulated.
        native_refuses: whether a link that is to be faster than that is refused; otherwise it is as fast as
            it can be, and ``verify`` is the judge.
    """

    topology: Topology
    nodes: tuple[Node, ...]
    connections: Mapping[str, Connection]
    engine: str = ""
    native_delays_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)
    native_refuses: bool = True

    def node(self, name: str) -> Node:
        """The node of this name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def nodes_of(self, tier: str) -> tuple[Node, ...]:
        """The nodes of one tier."""
        return tuple(node for node in self.nodes if node.tier == tier)

    @property
    def timeout_scale(self) -> float:
        """How many times as long as usual may be waited for its nodes, see ``Node``."""
        return max((node.timeout_scale for node in self.nodes), default=1.0)
