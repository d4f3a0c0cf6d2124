"""Which link applies between which nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from continuum.model.topology import Link, Topology
from continuum.network.fabric.precedence import applicable


@dataclass(frozen=True)
class Route:
    """The path from one node to another.

    Attributes:
        src: node that sends.
        dst: node that receives.
        address: IPv4 address of the receiver.
        link: the link that the path takes.
    """

    src: str
    dst: str
    address: str
    link: Link


def routes(
    topology: Topology, addresses: Mapping[str, str], links: Sequence[Link] | None = None
) -> Iterator[Route]:
    """The path between every ordered pair of nodes, grouped by sender.

    Args:
        topology: the nodes.
        addresses: IPv4 address of each node, by its name.
        links: only paths that take one of these; all links of the topology if None. ``src`` and ``dst`` name
            a tier or a node; the link of a node overrides that of its tier.
    """
    table = {(link.src, link.dst): link for link in (topology.tier_links() if links is None else links)}
    for src in topology.nodes:
        for dst in topology.nodes:
            link = applicable(table, (src.name, src.tier), (dst.name, dst.tier))
            if link is not None and src.name != dst.name:
                yield Route(src.name, dst.name, addresses[dst.name], link)


def current_link(links: Mapping[tuple[str, str], Link], topology: Topology, src: str, dst: str) -> Link:
    """The link in effect between two ends, each a node or a tier; unshaped if none is defined.

    Args:
        links: the links in effect, by the names of sender and receiver.
        topology: tells the tier of a node.
        src: node or tier that sends.
        dst: node or tier that receives.
    """
    tiers = {node.name: node.tier for node in topology.nodes}
    found = applicable(links, (src, tiers.get(src, src)), (dst, tiers.get(dst, dst)))
    return Link(src, dst) if found is None else replace(found, src=src, dst=dst)
