"""``continuum link RUN [A-B]``: show or change links while a run is up."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from continuum.errors import UsageError
from continuum.model.topology import Link
from continuum.network.engines import open_engine
from continuum.options.quantities import Latency, Percent, Throughput
from continuum.options.value_types import ValueType
from continuum.pipeline import open_run

CHANGES: dict[str, tuple[str, ValueType, str]] = {
    "latency": ("latency_ms", Latency(), "one-way delay, such as 80ms"),
    "jitter": ("jitter_ms", Latency(), "standard deviation of the delay"),
    "bandwidth": ("bandwidth_mbit", Throughput(), 'rate, such as 10Mbit, or "unlimited"'),
    "loss": ("loss_percent", Percent(), "share of packets lost, 0 to 100"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum link``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")
    parser.add_argument(
        "link", nargs="?", help="A-B for both directions, A->B for one; A and B are tiers or nodes"
    )
    for name, (_, _, text) in CHANGES.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--json", action="store_true", help="print the links as JSON")


def execute(options: argparse.Namespace) -> int:
    """Change the link if a change is requested, then print the links."""
    run = open_run.find(options.run)
    deployment = open_run.deployment(run)
    current = {(link.src, link.dst): link for link in open_run.links(run)}
    changes = _changes(options)
    pairs = (
        _pairs(options.link, deployment.topology.tier_names(), deployment.connections) if options.link else []
    )
    if changes and not pairs:
        msg = "continuum link: name the link to change, such as edge-cloud or edge->cloud"
        raise UsageError(msg)
    changed = [replace(_current(current, *pair), **changes) for pair in pairs]
    if changes:
        engine = open_engine(deployment.engine)
        engine.change(deployment, run, changed)
        current.update({(link.src, link.dst): link for link in changed})
        run.update_state(links=[vars(link) for link in current.values()])
    _print(changed or current.values(), as_json=options.json)
    return 0


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Requested changes, by field of ``Link``."""
    changes: dict[str, Any] = {}
    for name, (field, kind, _) in CHANGES.items():
        text = getattr(options, name)
        if text is None:
            continue
        if name == "bandwidth" and text == "unlimited":
            changes[field] = None
            continue
        try:
            changes[field] = kind.parse(text)
        except ValueError as error:
            msg = f'continuum link: --{name} "{text}": {error}'
            raise UsageError(msg) from error
    return changes


def _pairs(text: str, tiers: Iterable[str], nodes: Iterable[str]) -> list[tuple[str, str]]:
    """The directions that a link's name stands for."""
    known = {*tiers, *nodes}
    found = re.fullmatch(r"\s*([A-Za-z0-9_]+)\s*(->|-)\s*([A-Za-z0-9_]+)\s*", text)
    if not found or not {found[1], found[3]} <= known:
        names = ", ".join(sorted(tiers))
        msg = f'continuum link: "{text}" is not a link; write A-B or A->B with tiers ({names}) or nodes'
        raise UsageError(msg)
    src, arrow, dst = found.groups()
    return [(src, dst)] if arrow == "->" or src == dst else [(src, dst), (dst, src)]


def _current(links: dict[tuple[str, str], Link], src: str, dst: str) -> Link:
    """A link as it is now; that of a node's tier where it has none of its own."""
    for pair in ((src, dst), (src, _tier(dst)), (_tier(src), dst), (_tier(src), _tier(dst))):
        if pair in links:
            return replace(links[pair], src=src, dst=dst)
    return Link(src, dst)


def _tier(node: str) -> str:
    """The tier of a node: its name without the number."""
    return node.rstrip("0123456789")


def _print(links: Iterable[Link], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([vars(link) for link in links], indent=1))
        return
    for link in links:
        print(describe(link))


def describe(link: Link) -> str:
    """A link in one line."""
    rate = f"{link.bandwidth_mbit:g} Mbit/s" if link.bandwidth_mbit else "unlimited"
    loss = f", {link.loss_percent:g} % loss" if link.loss_percent else ""
    return f"{link.src} -> {link.dst}: {link.latency_ms:g} +- {link.jitter_ms:g} ms, {rate}{loss}"
