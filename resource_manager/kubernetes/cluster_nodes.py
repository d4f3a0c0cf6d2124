"""The role of each node in a cluster, and the cluster's networks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from continuum.connection.deployment import Deployment
from continuum.model.node import Node
from continuum.model.topology import NodeSpec, Topology
from continuum.model.workload import Workload

OUTSIDE = "endpoint"
"""The tier whose nodes use a cluster and are not part of it."""

CONTROL_TIER = "cloud"
TIER_LABEL = "continuum/tier"
PODS = IPv4Network("10.244.0.0/16")
SERVICES = IPv4Network("10.96.0.0/12")
OVERLAY_MTU_BYTES = 1450
"""MTU of a VXLAN over an MTU of 1500."""

_OVERLAY_MAC = "0a:58:00:00:{:02x}:{:02x}"


@dataclass(frozen=True)
class Member:
    """A node of a cluster.

    Attributes:
        node: the node.
        number: position in the cluster; the control plane is 0.
        internal: IPv4 address for the cluster's own traffic.
        agent: the program that runs pods on it.
    """

    node: Node
    number: int
    internal: str
    agent: str = "kubelet"

    @property
    def name(self) -> str:
        """The node's name, which is its name in the cluster too."""
        return self.node.name

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the control plane instead of workloads."""
        return self.number == 0

    @property
    def pods(self) -> IPv4Network:
        """Addresses of the pods on it."""
        return list(PODS.subnets(new_prefix=24))[self.number]

    @property
    def overlay_mac(self) -> str:
        """MAC address of its interface in the pods' network."""
        return _OVERLAY_MAC.format(self.number // 256, self.number % 256)


def in_cluster(specs: Sequence[NodeSpec]) -> tuple[NodeSpec, ...]:
    """The nodes that are part of a cluster, the control plane first."""
    inside = [spec for spec in specs if spec.tier != OUTSIDE]
    first = [spec for spec in inside if (spec.tier, spec.index) == (CONTROL_TIER, 0)]
    return (*first, *(spec for spec in inside if spec not in first))


def demand(topology: Topology, *, managed: bool) -> Topology:
    """The topology, with nodes of the cluster that can host containers."""
    nodes = tuple(
        spec if spec.tier == OUTSIDE else replace(spec, hosts_containers=True, is_managed=managed)
        for spec in topology.nodes
    )
    return replace(topology, nodes=nodes)


def offer(topology: Topology) -> Topology:
    """The topology without the control plane."""
    nodes = tuple(spec for spec in topology.nodes if (spec.tier, spec.index) != (CONTROL_TIER, 0))
    counted = (replace(tier, count=sum(spec.tier == tier.name for spec in nodes)) for tier in topology.tiers)
    return replace(topology, tiers=tuple(tier for tier in counted if tier.count), nodes=nodes)


def members(nodes: Sequence[Node], *, shape_management: bool) -> tuple[Member, ...]:
    """The nodes of the cluster, the control plane first."""
    by_name = {node.name: node for node in nodes}
    inside = [by_name[spec.name] for spec in in_cluster([node.spec for node in nodes])]
    return tuple(
        Member(node, number, node.address if shape_management else node.management or node.address)
        for number, node in enumerate(inside)
    )


def control_plane_of(deployment: Deployment) -> str:
    """Name of the node that runs the control plane."""
    return members(deployment.nodes, shape_management=False)[0].name


def workers_for(workload: Workload, deployment: Deployment) -> list[Node]:
    """The nodes of a cluster that a workload runs on; the control plane is none of them."""
    control_plane = control_plane_of(deployment)
    return [
        node
        for node in deployment.nodes_of(workload.tier)
        if node.name != control_plane and (not workload.nodes or node.name in workload.nodes)
    ]
