"""Whether the network dropped packets that no link is configured to drop. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from continuum.model.fidelity import Disturbance, LinkTraffic, NodeStrain
from continuum.model.node import Strain

T = TypeVar("T", int, float)


class PacketWatch:
    """Compares counters with those at the start of the load.

    Packets lost by a link's loss, or dropped at the full queue of a link with a bandwidth, behave as
    configured. Others are disturbances: those that the engine could not read in time, and those that the
    receiving node's interface refused.

    Attributes:
        undeliverable: packets that interfaces refused.
    """

    def __init__(self) -> None:
        self.undeliverable = 0
        self._found: dict[str, Disturbance] = {}
        self._refused_before: int | None = None
        self._links_before: dict[tuple[str, str], LinkTraffic] | None = None
        self._links: Sequence[LinkTraffic] = ()
        self._nodes_before: Mapping[str, Strain] = {}
        self._nodes: Mapping[str, Strain] = {}

    def note_engine(self, at_s: float, undeliverable: int, links: Sequence[LinkTraffic]) -> None:
        """Counters of the engine since its start."""
        if self._refused_before is None:
            self._refused_before = undeliverable
            self._links_before = {(one.src, one.dst): one for one in links}
        self._links = links
        self.undeliverable = undeliverable - self._refused_before
        if self.undeliverable:
            what = "were refused by the interface of the receiving node"
            self._report("refused", at_s, self.undeliverable, what)

    def note_nodes(self, at_s: float, nodes: Mapping[str, Strain]) -> None:
        """Counters of the nodes since their creation."""
        if not self._nodes_before:
            self._nodes_before = nodes
        self._nodes = nodes
        unread = {one.name: one.unread_packets for one in self.nodes() if one.unread_packets}
        if unread:
            what = f"from {', '.join(unread)} were dropped before the network engine could read them"
            self._report("unread", at_s, sum(unread.values()), what)

    def _report(self, kind: str, at_s: float, count: int, what: str) -> None:
        """Report a kind of drop with the time of the first and the number of all."""
        first = self._found.get(kind)
        at_s = first.at_s if first else at_s
        self._found[kind] = Disturbance(at_s, "packets_dropped", f"{count:,} packets {what}")

    @property
    def disturbances(self) -> list[Disturbance]:
        """The drops of each kind."""
        return list(self._found.values())

    def links(self) -> tuple[LinkTraffic, ...]:
        """Packets of the load by ordered pair of tiers."""
        before = self._links_before or {}
        return tuple(_difference(one, before.get((one.src, one.dst))) for one in self._links)

    def nodes(self) -> tuple[NodeStrain, ...]:
        """Throttling and drops of the nodes during the load."""
        return tuple(
            NodeStrain(
                name,
                _since(now.throttled_seconds, self._nodes_before.get(name, Strain()).throttled_seconds),
                _since(now.unread_packets, self._nodes_before.get(name, Strain()).unread_packets),
            )
            for name, now in self._nodes.items()
        )


def _difference(now: LinkTraffic, before: LinkTraffic | None) -> LinkTraffic:
    before = before or LinkTraffic(now.src, now.dst)
    return LinkTraffic(
        now.src,
        now.dst,
        now.packets - before.packets,
        now.lost - before.lost,
        now.dropped_queue - before.dropped_queue,
    )


def _since(now: T | None, before: T | None) -> T | None:
    return None if now is None or before is None else now - before
