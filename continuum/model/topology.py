"""Tiers, nodes and links of a deployment, as the user describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

MAX_NODES = 65_000
"""Most nodes of a run: its network is one /16."""


@dataclass(frozen=True)
class Tier:
    """A group of equal nodes.

    Attributes:
        name: ``cloud``, ``edge``, ``endpoint``, or a name that the user chooses.
        count: number of nodes, at least 1.
        cores: cores of each node.
        memory_mb: memory of each node in MiB.
        quota: share of each core that a node may use, 0 < quota <= 1.
        read_mb_per_s: disk read limit in MB/s; None is unlimited.
        write_mb_per_s: disk write limit in MB/s; None is unlimited.
    """

    name: str
    count: int
    cores: float
    memory_mb: int
    quota: float = 1.0
    read_mb_per_s: float | None = None
    write_mb_per_s: float | None = None


@dataclass(frozen=True)
class NodeSpec:
    """The specification of one node.

    Attributes:
        name: tier name and index, as in ``endpoint12``.
        tier: name of its tier.
        index: position in its tier, from 0.
        cores: number of cores.
        memory_mb: memory limit in MiB.
        quota: share of each core that it may use, 0 < quota <= 1; CPU time per second is cores x quota.
        read_mb_per_s: disk read limit in MB/s; None is unlimited.
        write_mb_per_s: disk write limit in MB/s; None is unlimited.
        cpus: host CPUs that it is pinned to; empty if not pinned.
        hosts_containers: whether it must be able to run containers.
        is_managed: whether it needs a management address, which other managed nodes reach over a path without
            emulation.
    """

    name: str
    tier: str
    index: int
    cores: float
    memory_mb: int
    quota: float = 1.0
    read_mb_per_s: float | None = None
    write_mb_per_s: float | None = None
    cpus: tuple[int, ...] = ()
    hosts_containers: bool = False
    is_managed: bool = False

    @property
    def cpu_limit(self) -> float:
        """CPU seconds per second that the node may use."""
        return self.cores * self.quota


@dataclass(frozen=True)
class Link:
    """The properties of the path from nodes of one tier to nodes of another.

    Attributes:
        src: tier that sends; a node's name for the link of a single node.
        dst: tier or node that receives; may be the same tier (between its nodes).
        latency_ms: mean one-way delay in ms.
        jitter_ms: standard deviation of the delay in ms (normal distribution, truncated at 0).
        bandwidth_mbit: rate in Mbit/s per ordered pair of nodes, at the IP layer; None is unlimited.
        loss_percent: probability that a packet is lost, 0 to 100 %, independent of others.
        jitter_correlation_ms: time between two packets from which on their delays are independent; None is
            three times the jitter.
        queue_bytes: bytes of IP packets that may wait for the link or be in transmission, if it has a rate;
            None is the default, see ``network.fabric.shape.default_queue_bytes``.
    """

    src: str
    dst: str
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bandwidth_mbit: float | None = None
    loss_percent: float = 0.0
    jitter_correlation_ms: float | None = None
    queue_bytes: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a network engine passes packets on without a delay of its own."""
        return not (self.latency_ms or self.jitter_ms or self.loss_percent or self.bandwidth_mbit)


@dataclass(frozen=True)
class Topology:
    """The nodes and links of a deployment.

    Attributes:
        tiers: tiers with nodes, in the order cloud, edge, endpoint, then those that the user named.
        nodes: all nodes, tier by tier.
        links: one for every ordered pair of tiers between which two different nodes exist.
        emulated: whether links are emulated (``network_emulation``).
    """

    tiers: tuple[Tier, ...]
    nodes: tuple[NodeSpec, ...]
    links: tuple[Link, ...]
    emulated: bool = False

    @cached_property
    def _links(self) -> dict[tuple[str, str], Link]:
        return {(link.src, link.dst): link for link in self.links}

    @cached_property
    def _nodes(self) -> dict[str, NodeSpec]:
        return {node.name: node for node in self.nodes}

    def tier_names(self) -> tuple[str, ...]:
        """Names of the tiers that have nodes."""
        return tuple(tier.name for tier in self.tiers)

    def tier(self, name: str) -> Tier:
        """The tier of that name; KeyError if there is none."""
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise KeyError(name)

    def nodes_of(self, tier: str) -> tuple[NodeSpec, ...]:
        """The nodes of one tier; empty if there is no such tier."""
        return tuple(node for node in self.nodes if node.tier == tier)

    def node(self, name: str) -> NodeSpec:
        """The node of that name; KeyError if there is none."""
        return self._nodes[name]

    def link(self, src: str, dst: str) -> Link:
        """The link between two tiers; an unshaped one if none is defined."""
        return self._links.get((src, dst), Link(src, dst))

    def tier_links(self) -> tuple[Link, ...]:
        """The link of every ordered pair of tiers between which two different nodes exist."""
        return tuple(self.link(src, dst) for src, dst in self.tier_pairs())

    def tier_pairs(self) -> Iterator[tuple[str, str]]:
        """Every ordered pair of tiers between which two different nodes exist."""
        for src in self.tiers:
            for dst in self.tiers:
                if src.name != dst.name or src.count > 1:
                    yield src.name, dst.name
