"""The pairs of nodes that are measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TypeVar

from continuum.connection.deployment import Deployment
from continuum.network.verification.case import Case

T = TypeVar("T")

LEAST_NODES = 3
"""Nodes of a tier that are measured, if it has as many."""


def cases(deployment: Deployment) -> list[list[Case]]:
    """The pairs of nodes for each ordered pair of tiers; the first pair measures the throughput, too.

    Of a tier with N nodes, max(3, sqrt(N)) are measured, spread evenly, so that a single node whose links
    differ from those of its tier may be found.
    """
    links = {(link.src, link.dst): link for link in deployment.topology.tier_links()}
    found = []
    for (src, dst), link in links.items():
        pairs = _pairs(_names(deployment, src), _names(deployment, dst), same_tier=src == dst)
        made: list[Case] = []
        for sender, receiver in pairs:
            same = all(deployment.connections[name].host_clock for name in (sender, receiver))
            made.append(Case(link, links[dst, src], sender, receiver, same, has_rate=not made))
        found.append(made)
    return found


def _names(deployment: Deployment, tier: str) -> list[str]:
    return [node.name for node in deployment.nodes_of(tier)]


def _pairs(senders: Sequence[str], receivers: Sequence[str], *, same_tier: bool) -> list[tuple[str, str]]:
    """Pairs that every chosen node is in; within a tier, each node with the next one."""
    chosen = sample(senders)
    if same_tier:
        return list(zip(chosen, [*chosen[1:], chosen[0]], strict=True))
    others = sample(receivers)
    count = max(len(chosen), len(others))
    return [(chosen[number % len(chosen)], others[number % len(others)]) for number in range(count)]


def sample(items: Sequence[T]) -> list[T]:
    """At least ``LEAST_NODES`` items, or the square root of their number, spread evenly, with the first."""
    count = min(len(items), max(LEAST_NODES, ceil(sqrt(len(items)))))
    return [items[number * len(items) // count] for number in range(count)]
