"""The delay that the real network between nodes has by itself, and what remains to be emulated.

For nodes that are separate machines: the delay of the real network is measured before links are shaped and
subtracted from the configured delay. On a real network, a link that is configured to be faster than that is
refused. Between virtual machines it is only reported: their delay varies, and the user cannot reduce it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import ProvisionError
from continuum.model.topology import Link
from continuum.network.link_model import queue_bytes

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.network.routes import Route

Pair = tuple[str, str]

LONGEST_DELAY_MS = 250.0
"""Longest one-way delay that the measurement waits for."""


def measure(deployment: Deployment, logs: Path) -> dict[Pair, float]:
    """One-way delay in ms between every ordered pair of tiers: half the median round trip.

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
        raise ProvisionError(f"no answer to UDP packets on {', '.join(silent)}; check the firewalls")
    return {pair: trip_ms / 2 for pair, trip_ms in trips.items() if trip_ms is not None}


def settle(deployment: Deployment, delays_ms: Mapping[Pair, float]) -> tuple[Deployment, tuple[str, ...]]:
    """The deployment with the links as they will be, and notes about them for the user.

    A link without a configured delay gets the delay of the real network.

    Raises:
        ProvisionError: links are configured to be faster than a real network; lists all of them.
    """
    topology = deployment.topology
    what = "the real network" if deployment.native_refuses else "the nodes"
    notes, links = [], []
    for link in topology.tier_links():
        native_ms = round(delays_ms[link.src, link.dst], 3)
        links.append(link if link.latency_ms else replace(link, latency_ms=native_ms))
        if not link.latency_ms:
            notes.append(f"{_name(link)}: no delay is configured; {what} adds {native_ms:g} ms")
    too_fast = [link for link in links if is_below(link.latency_ms, delays_ms[link.src, link.dst])]
    if too_fast and deployment.native_refuses:
        raise ProvisionError("\n".join(_refusal(link, delays_ms[link.src, link.dst]) for link in too_fast))
    notes += [
        f"{_name(link)}: {link.latency_ms:g} ms is not possible;"
        f" the nodes alone take {delays_ms[link.src, link.dst]:.2f} ms"
        for link in too_fast
    ]
    settled = replace(topology, links=tuple(links), emulated=True)
    return replace(deployment, topology=settled, native_delays_ms=dict(delays_ms)), tuple(notes)


def rest(deployment: Deployment, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes with the part of their delays that remains to be emulated; queues stay as configured.

    Raises:
        ProvisionError: links are configured to be faster than a real network; lists all of them.
    """
    delays_ms, tiers = deployment.native_delays_ms, {node.name: node.tier for node in deployment.nodes}
    if not delays_ms:
        return tuple(routes)
    left, refused = [], {}
    for route in routes:
        native_ms = delays_ms.get((tiers[route.src], tiers[route.dst]), 0.0)
        link = route.link
        if deployment.native_refuses and is_below(link.latency_ms, native_ms):
            refused[link.src, link.dst] = _refusal(link, native_ms)
        delay_ms = max(0.0, link.latency_ms - native_ms)
        emulated = replace(link, latency_ms=delay_ms, queue_bytes=queue_bytes(link))
        left.append(replace(route, link=emulated))
    if refused:
        raise ProvisionError("\n".join(refused.values()))
    return tuple(left)


def is_below(latency_ms: float, native_ms: float) -> bool:
    """Whether a link is configured to be faster than the network; a latency of 0 is not, nor is rounding."""
    return 0 < latency_ms < native_ms - 0.001


def _name(link: Link) -> str:
    return f"{link.src} -> {link.dst}"


def _refusal(link: Link, native_ms: float) -> str:
    return (
        f"link {_name(link)}: {link.latency_ms:g} ms is not possible; the real network takes"
        f" {native_ms:.2f} ms. Configure a longer delay, or move the nodes closer to each other"
    )
