"""Nodes that exist, and what they have used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from continuum.model.topology import NodeSpec


@dataclass(frozen=True)
class Node:
    """A node that exists.

    Attributes:
        spec: what it was asked to be.
        address: IPv4 address that the other nodes reach it at, over the emulated links.
        handle: what its provider needs to find it again; plain JSON, kept in ``state.json``.
        management: IPv4 address that other nodes with one reach it at over a path without emulation; empty
            where there is no such path. Nodes whose ``spec.is_managed`` is set have one where the provider
            can make it.
        timeout_scale: factor on every time-out that concerns the node; above 1 for a TCG-emulated guest.
    """

    spec: NodeSpec
    address: str
    handle: Mapping[str, Any] = field(default_factory=dict)
    management: str = ""
    timeout_scale: float = 1.0

    @property
    def name(self) -> str:
        """The node's name."""
        return self.spec.name

    @property
    def tier(self) -> str:
        """The name of the node's tier."""
        return self.spec.tier


@dataclass(frozen=True)
class Usage:
    """What a node has used since it was made.

    Attributes:
        cpu_seconds: CPU time; None where it cannot be read.
        memory_peak_mb: highest memory use in MiB; None where it cannot be read.
        out_of_memory_kills: processes killed because the node was at its memory limit.
    """

    cpu_seconds: float | None = None
    memory_peak_mb: float | None = None
    out_of_memory_kills: int = 0


def node_to_json(node: Node) -> dict[str, Any]:
    """A node as it is kept in ``state.json``."""
    spec = node.spec
    return {
        "spec": {**vars(spec), "cpus": list(spec.cpus)},
        "address": node.address,
        "handle": dict(node.handle),
        "management": node.management,
        "timeout_scale": node.timeout_scale,
    }


def node_from_json(data: Mapping[str, Any]) -> Node:
    """A node as it was kept in ``state.json``."""
    spec = dict(data["spec"])
    spec["cpus"] = tuple(spec["cpus"])
    return Node(
        NodeSpec(**spec),
        data["address"],
        data["handle"],
        data.get("management", ""),
        data.get("timeout_scale", 1.0),
    )
