"""What shall be emulated between which nodes, and which engine does it. Pure, but for the engines' deeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from continuum.model.topology import Link, Topology


@dataclass(frozen=True)
class Route:
    """The way from one node to another.

    Attributes:
        src: node that sends.
        dst: node that receives.
        address: IPv4 address of the receiver.
        link: what happens on the way.
    """

    src: str
    dst: str
    address: str
    link: Link


def tier_links(topology: Topology) -> tuple[Link, ...]:
    """The links between tiers to put in force; plain wires where nothing is to be emulated."""
    pairs = topology.tier_pairs()
    if not topology.emulated:
        return tuple(Link(src, dst) for src, dst in pairs)
    return tuple(topology.link(src, dst) for src, dst in pairs)


def routes(
    topology: Topology, addresses: Mapping[str, str], links: Sequence[Link] | None = None
) -> Iterator[Route]:
    """The way between every ordered pair of nodes, grouped by the node that sends.

    Args:
        topology: the nodes.
        addresses: IPv4 address of each, by its name.
        links: only the ways that these concern (``src`` and ``dst`` name a tier or a node, and a node's
            link goes before its tier's); all of the topology's if None.
    """
    chosen = tier_links(topology) if links is None else links
    table = {(link.src, link.dst): link for link in chosen}
    for src in topology.nodes:
        for dst in topology.nodes:
            keys = ((src.name, dst.name), (src.name, dst.tier), (src.tier, dst.name), (src.tier, dst.tier))
            link = next((table[key] for key in keys if key in table), None)
            if link is not None and src.name != dst.name:
                yield Route(src.name, dst.name, addresses[dst.name], link)
