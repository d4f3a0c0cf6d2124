"""Prices and sizes of machine types, from ``prices.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure.gcp.settings import BUILTIN, location_of, machine_of

if TYPE_CHECKING:
    from continuum.errors import Problem
    from continuum.model.config import Config
    from continuum.model.topology import Topology

_HOURS_PER_MONTH = 730


@cache
def table() -> dict[str, Any]:
    """The table: its date and source, prices by region, and the machines."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return found


def per_hour(machine: str, region: str) -> float | None:
    """List price of a machine type per hour, without disk and address; None if unknown.

    Google bills cores and memory separately; a shared core counts as its share. For some series the table has
    only the price of a core including the memory of standard types.
    """
    one = table()["machines"].get(machine)
    rates = table()["regions"].get(region, {}).get(machine.partition("-")[0])
    if one is None or rates is None:
        return None
    cores: float = one.get("billed_cores", one["cores"])
    if "standard_core" in rates:
        return cores * float(rates["standard_core"])
    return cores * float(rates["core"]) + float(one["memory_gb"]) * float(rates["memory_gb"])


def estimate(config: Config, topology: Topology) -> tuple[str, ...]:
    """The price per hour of each tier and of all; prices missing in the table are shown as unknown."""
    prices, region = table(), location_of(config).region
    unit, lines = prices["currency"], [f"estimated price per hour in {region}:"]
    if region not in prices["regions"]:
        known = ", ".join(prices["regions"])
        return (*lines, f"  unknown: the table of prices ({prices['date']}) has only {known}")
    total, unknown = 0.0, []
    for tier in topology.tiers:
        machine = machine_of(config, tier.name) or "?"
        price = per_hour(machine, region)
        if price is None:
            unknown.append(machine)
            lines.append(f"  {tier.name}: {tier.count} x {machine}: unknown, not in the table of prices")
            continue
        each = tier.count * (price + _disk_and_address(config, region))
        total += each
        lines.append(f"  {tier.name}: {tier.count} x {machine}: {each:.3f} {unit}")
    more = f", and what {' and '.join(dict.fromkeys(unknown))} costs" if unknown else ""
    lines.append(f"  together {total:.3f} {unit}{more}; disks and addresses included")
    spot = "; spot instances cost less" if config.infrastructure.flag("gcp_spot") else ""
    lines.append(f"  (as of {prices['date']}: {prices['note']}{spot})")
    return tuple(lines)


def _disk_and_address(config: Config, region: str) -> float:
    """Price per hour of the disk and the address of an instance."""
    disk = table()["regions"][region]["disk_gb_per_month"] * config.infrastructure.integer("gcp_disk")
    return float(table()["address_per_hour"] + disk / _HOURS_PER_MONTH)


def mismatches(config: Config, topology: Topology) -> Iterator[Problem]:
    """Machine types whose size differs from that of the nodes."""
    for tier in topology.tiers:
        name = machine_of(config, tier.name)
        one = table()["machines"].get(name)
        if one is None:
            continue
        key = f"gcp_{tier.name}" if tier.name in BUILTIN else "gcp_machine"
        if one["cores"] != tier.cores or one["memory_gb"] * 1024 != tier.memory_mb:
            wanted = f"{tier.cores:g} cores and {tier.memory_mb / 1024:g} GB"
            less = one["cores"] < tier.cores or one["memory_gb"] * 1024 < tier.memory_mb
            remedy = "choose a larger type" if less else "the nodes will have the size of the machine type"
            message = f"{name} has {one['cores']} cores and {one['memory_gb']:g} GB, not {wanted}; {remedy}"
            yield config.infrastructure.problem(key, message, "error" if less else "warning")
