"""Nodes that exist, and what they have used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from continuum.model.topology import NodeSpec

FOLDER = "/var/lib/continuum"
"""The work folder on a node unless its provider chooses another."""


@dataclass(frozen=True)
class Node:
    """A node that exists.

    Attributes:
        spec: the specification it was created from.
        address: IPv4 address at which the other nodes reach it over the emulated links.
        handle: what its provider needs to find the node again, and nothing else reads; plain JSON.
        management: IPv4 address for traffic between nodes over a path without emulation; empty if there is no
            such path. Nodes with ``spec.is_managed`` have one if the provider supports it.
        python: Python interpreter on the node: a path, or a command found in PATH.
        folder: absolute path of the work folder on the node; workloads and playbooks keep their files there.
        interface: network interface that carries the emulated links; empty if no link is emulated.
        shares_host: whether programs on the node find this host's Python and this project's code at the same
            paths as on this host.
        timeout_scale: factor on every time-out that concerns the node; above 1 for a TCG-emulated guest.
    """

    spec: NodeSpec
    address: str
    handle: Mapping[str, Any] = field(default_factory=dict)
    management: str = ""
    python: str = "python3"
    folder: str = FOLDER
    interface: str = "eth0"
    shares_host: bool = False
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
    """Resources that a node has used since it was created.

    Attributes:
        cpu_seconds: CPU time; None if unknown.
        memory_peak_mb: highest memory use in MiB; None if unknown.
        out_of_memory_kills: processes killed because the node was at its memory limit.
    """

    cpu_seconds: float | None = None
    memory_peak_mb: float | None = None
    out_of_memory_kills: int = 0


@dataclass(frozen=True)
class Strain:
    """Counters of a node since its creation that this host's kernel keeps, cheap enough to read every second.

    Attributes:
        cpu_seconds: CPU time of this host that the node used; None if unknown.
        throttled_seconds: time in which its programs waited for its CPU quota; None if unknown.
        unread_packets: packets dropped before the network engine could read them; None if unknown.
        emulation_seconds: CPU time of this host that making the node slow took.
    """

    cpu_seconds: float | None = None
    throttled_seconds: float | None = None
    unread_packets: int | None = None
    emulation_seconds: float = 0.0


def node_to_json(node: Node) -> dict[str, Any]:
    """A node as plain JSON, the form in ``state.json``."""
    plain = {each.name: getattr(node, each.name) for each in fields(node)}
    return plain | {"spec": {**vars(node.spec), "cpus": list(node.spec.cpus)}, "handle": dict(node.handle)}


def node_from_json(data: Mapping[str, Any]) -> Node:
    """A node from its form in ``state.json``."""
    spec = NodeSpec(**{**data["spec"], "cpus": tuple(data["spec"]["cpus"])})
    return Node(**{**data, "spec": spec})
