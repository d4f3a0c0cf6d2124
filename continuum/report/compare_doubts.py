"""Reasons why runs are not comparable. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from continuum.report import formats, view
from continuum.report.compare_groups import Group

SAME_RATE = 0.02
"""Arrival rates and schedule lengths that differ by less than this share are equal."""

SAME_LOSS = 0.01
"""Latencies of completed requests are not comparable if the completed shares differ by more."""

RANDOM_RATE = 4.0
"""Rates may differ by this many times the relative error of a Poisson process, 1 / sqrt(requests)."""


def doubts_about(groups: Sequence[Group]) -> tuple[str, ...]:
    """Reasons why these groups of runs are not comparable; empty if they are."""
    found = [
        f"{name} is not valid: {view.complaints(result)[0]}"
        for group in groups
        for name, result in group.runs
        if not result.valid
    ]
    loads: dict[str, Mapping[str, object]] = {group.name: group.benches[0].load for group in groups}
    for key in sorted({key for load in loads.values() for key in load}):
        found += _differs(key, {name: _said(load.get(key)) for name, load in loads.items()})
    found += _apart(
        "requests per second and endpoint", {g.name: _rate(g) for g in groups}, _tolerance(groups)
    )
    found += _apart("measured seconds", {g.name: _seconds(g) for g in groups}, _tolerance(groups))
    missed = {group.name: _missed(group) for group in groups}
    if max(missed.values()) - min(missed.values()) > SAME_LOSS:
        listed = ", ".join(f"{name} {formats.percent(100 * share)}" for name, share in missed.items())
        found.append(f"the shares of lost and failed requests, which have no latency, differ: {listed}")
    hosts = {
        name: f"{result.host.get('cpus')} CPUs, {result.host.get('machine')}"
        for group in groups
        for name, result in group.runs
    }
    return tuple(found + _differs("host", hosts))


def _rate(group: Group) -> float:
    return fmean((bench.offered_per_s or 0) / (bench.endpoints or 1) for bench in group.benches)


def _seconds(group: Group) -> float:
    return fmean(bench.schedule_s or 0 for bench in group.benches)


def _missed(group: Group) -> float:
    sent = sum(bench.requests.sent for bench in group.benches)
    return 1 - sum(bench.requests.completed for bench in group.benches) / sent


def _tolerance(groups: Sequence[Group]) -> float:
    """Relative difference that random arrivals explain."""
    fewest = min(sum(bench.requests.sent for bench in group.benches) for group in groups)
    return SAME_RATE + (RANDOM_RATE / math.sqrt(fewest) if fewest else 0.0)


def _differs(what: str, values: Mapping[str, str]) -> list[str]:
    if len(set(values.values())) <= 1:
        return []
    return [f"{what} differs: " + ", ".join(f"{name} {value}" for name, value in values.items())]


def _apart(what: str, values: Mapping[str, float], tolerance: float) -> list[str]:
    if max(values.values()) - min(values.values()) <= tolerance * max(values.values()):
        return []
    return [
        f"{what} differ: " + ", ".join(f"{name} {formats.compact(value)}" for name, value in values.items())
    ]


def _said(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return formats.NONE if value is None else str(value)
