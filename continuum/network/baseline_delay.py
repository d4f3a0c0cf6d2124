"""Delay that the real network between nodes has by itself, and what is left to emulate on top of it.

Of use where nodes are machines apart from each other: what packets take anyway is measured before any link
is shaped, subtracted from what is configured, and a link that is to be faster than that is refused. Virtual
machines take time over packets, too; that varies, and nobody can put them closer, so nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import ProvisionError
from continuum.model.topology import Link

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.network.plan import Route

Pair = tuple[str, str]

LONGEST_DELAY_MS = 250.0
"""One-way delay up to which answers are waited for."""


def measure(deployment: Deployment, logs: Path) -> dict[Pair, float]:
    """One-way delay in ms between every ordered pair of tiers, half the median round trip.

    Raises:
        ProvisionError: nodes cannot reach each other.
    """
    from continuum.network.verification import verify

    pairs = deployment.topology.tier_pairs()
    waiting_long = tuple(Link(src, dst, latency_ms=LONGEST_DELAY_MS) for src, dst in pairs)
    topology = replace(deployment.topology, links=waiting_long, emulated=True)
    trips = verify.round_trips(replace(deployment, topology=topology), logs)
    silent = [f"{src} -> {dst}" for (src, dst), trip_ms in trips.items() if trip_ms is None]
    if silent:
        raise ProvisionError(f"no packet came back on {', '.join(silent)}: does a firewall stop UDP?")
    return {pair: trip_ms / 2 for pair, trip_ms in trips.items() if trip_ms is not None}


def settle(deployment: Deployment, delays_ms: Mapping[Pair, float]) -> tuple[Deployment, tuple[str, ...]]:
    """The deployment with what its links will really do, and what is to be said about them.

    A link without a delay of its own takes what the network takes.

    Raises:
        ProvisionError: links that are to be faster than the network, where that is refused; all of them.
    """
    topology = deployment.topology
    what = "the real network's" if deployment.native_refuses else "the nodes' own"
    notes, links = [], []
    for src, dst in topology.tier_pairs():
        link = topology.link(src, dst) if topology.emulated else Link(src, dst)
        if not link.latency_ms:
            link = replace(link, latency_ms=round(delays_ms[src, dst], 3))
            notes.append(f"{src} -> {dst}: no delay is configured; {what} {link.latency_ms:g} ms stand")
        links.append(link)
    if deployment.native_refuses:
        _refuse(links, delays_ms)
    else:
        notes += _too_fast(links, delays_ms)
    settled = replace(topology, links=tuple(links), emulated=True)
    return replace(deployment, topology=settled, native_delays_ms=dict(delays_ms)), tuple(notes)


def rest(deployment: Deployment, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes with what is left of their delays to emulate.

    Raises:
        ProvisionError: links that are to be faster than the network, where that is refused; all of them.
    """
    delays_ms, tiers = deployment.native_delays_ms, {node.name: node.tier for node in deployment.nodes}
    if not delays_ms:
        return tuple(routes)
    left, wrong = [], {}
    for route in routes:
        native_ms = delays_ms.get((tiers[route.src], tiers[route.dst]), 0.0)
        link = route.link
        if deployment.native_refuses and is_below(link.latency_ms, native_ms):
            wrong[link.src, link.dst] = _words(link, native_ms)
        delay_ms = max(0.0, link.latency_ms - native_ms)
        left.append(replace(route, link=replace(link, latency_ms=delay_ms)))
    if wrong:
        raise ProvisionError("\n".join(wrong.values()))
    return tuple(left)


def is_below(latency_ms: float, native_ms: float) -> bool:
    """Whether a link cannot be this fast; 0 asks for nothing, and rounding is forgiven."""
    return 0 < latency_ms < native_ms - 0.001


def _refuse(links: Iterable[Link], delays_ms: Mapping[Pair, float]) -> None:
    wrong = [
        _words(link, delays_ms[link.src, link.dst])
        for link in links
        if is_below(link.latency_ms, delays_ms[link.src, link.dst])
    ]
    if wrong:
        raise ProvisionError("\n".join(wrong))


def _too_fast(links: Iterable[Link], delays_ms: Mapping[Pair, float]) -> list[str]:
    """What is to be said about links that nodes are too slow for."""
    return [
        f"{link.src} -> {link.dst}: {link.latency_ms:g} ms cannot be had, the nodes themselves take"
        f" {delays_ms[link.src, link.dst]:.2f} ms"
        for link in links
        if is_below(link.latency_ms, delays_ms[link.src, link.dst])
    ]


def _words(link: Link, native_ms: float) -> str:
    return (
        f"link {link.src} -> {link.dst}: {link.latency_ms:g} ms cannot be had, the real network takes"
        f" {native_ms:.2f} ms; write more than that, or put the nodes closer to each other"
    )
