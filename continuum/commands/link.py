"""``continuum link RUN [A-B]``: show or change the links of a run that is up."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from continuum.errors import UsageError
from continuum.model.link_names import LinkName
from continuum.model.topology import Link, Topology
from continuum.network.engines import open_engine
from continuum.network.routes import current_link
from continuum.options.quantities import Latency, Percent, QueueSize, Throughput
from continuum.options.value_types import ValueType
from continuum.pipeline import open_run

CHANGES: dict[str, tuple[str, ValueType, str]] = {
    "latency": ("latency_ms", Latency(), "one-way delay, such as 80ms"),
    "jitter": ("jitter_ms", Latency(), "standard deviation of the delay"),
    "jitter-correlation": (
        "jitter_correlation_ms",
        Latency(),
        "time between two packets from which on their delays are independent",
    ),
    "bandwidth": ("bandwidth_mbit", Throughput(), 'rate, such as 10Mbit, or "unlimited"'),
    "queue": ("queue_bytes", QueueSize(), "bytes that may wait for the link, such as 64kB"),
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
    pairs = _pairs(options.link, deployment.topology) if options.link else ()
    if changes and not pairs:
        msg = "continuum link: name the link to change, such as edge-cloud or edge->cloud"
        raise UsageError(msg)
    changed = [replace(current_link(current, deployment.topology, *pair), **changes) for pair in pairs]
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
        text = getattr(options, name.replace("-", "_"))
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


def _pairs(text: str, topology: Topology) -> tuple[tuple[str, str], ...]:
    """The directions that the name of a link stands for."""
    tiers = topology.tier_names()
    try:
        name = LinkName.parse(text)
    except ValueError:
        name = None
    if name is None or not {*name.ends} <= {*tiers, *(node.name for node in topology.nodes)}:
        known = ", ".join(sorted(tiers))
        msg = f'continuum link: "{text}" is not a link; write A-B or A->B with tiers ({known}) or nodes'
        raise UsageError(msg)
    return name.directions


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
