"""What machines cost and hold, from the table beside this file; pure but for reading it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure.gcp.settings import BUILTIN, machine_of

if TYPE_CHECKING:
    from continuum.config import Config
    from continuum.errors import Problem
    from continuum.topology import Topology

_HOURS_PER_MONTH = 730


@cache
def table() -> dict[str, Any]:
    """The table: its date, region and the machines."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return found


def estimate(config: Config, topology: Topology) -> tuple[str, ...]:
    """The price per hour tier by tier, and of all."""
    prices, section = table(), config.infrastructure
    lines, total, unknown = ["estimated price per hour:"], 0.0, False
    extra = (
        prices["address_per_hour"]
        + section.integer("gcp_disk") * prices["disk_gb_per_month"] / _HOURS_PER_MONTH
    )
    for tier in topology.tiers:
        machine = machine_of(config, tier.name) or "?"
        one = prices["machines"].get(machine)
        if one is None:
            unknown = True
            lines.append(f"  {tier.name}: {tier.count} x {machine}: not in the table of prices")
            continue
        price = tier.count * (one["per_hour"] + extra)
        total += price
        lines.append(f"  {tier.name}: {tier.count} x {machine}: {price:.3f} {prices['currency']}")
    more = " and what is not in the table" if unknown else ""
    lines.append(f"  together {total:.3f} {prices['currency']}{more}, disks and addresses included")
    spot = "; these are to be spot instances" if section.flag("gcp_spot") else ""
    lines.append(f"  ({prices['region']}, {prices['date']}: {prices['note']}{spot})")
    return tuple(lines)


def mismatches(config: Config, topology: Topology) -> Iterator[Problem]:
    """Machine types that have less than the nodes are to have."""
    for tier in topology.tiers:
        name = machine_of(config, tier.name)
        one = table()["machines"].get(name)
        if one is None:
            continue
        key = f"gcp_{tier.name}" if tier.name in BUILTIN else "gcp_machine"
        if one["cores"] != tier.cores or one["memory_gb"] * 1024 != tier.memory_mb:
            wanted = f"{tier.cores:g} cores and {tier.memory_mb / 1024:g} GB"
            less = one["cores"] < tier.cores or one["memory_gb"] * 1024 < tier.memory_mb
            remedy = "choose a larger type" if less else "the nodes will have that"
            message = f"{name} has {one['cores']} cores and {one['memory_gb']:g} GB, not {wanted}; {remedy}"
            yield config.infrastructure.problem(key, message, "error" if less else "warning")
