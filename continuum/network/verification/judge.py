"""Compares what was measured on a link with what was configured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from continuum.model.result import LinkFidelity
from continuum.network.link_model import delay_problem, loss_problem, median, one_way, throughput_problem
from continuum.network.verification.case import PROBE_BYTES, Case
from continuum.options.tolerance import Tolerance

BUSY = 0.9
"""A processor that works for at least this share of the time may limit the rate."""

LEAST_FOR_P99 = 100
"""A 99th percentile requires at least this many round trips."""


def judge(case: Case, tolerance: Tolerance) -> LinkFidelity:
    """Measured beside configured, and whether the link is within tolerance."""
    problems = [*delay_problems(case, tolerance), *rate_problems(case, tolerance)]
    link = case.link
    return LinkFidelity(
        src=link.src,
        dst=link.dst,
        configured={
            "latency_ms": link.latency_ms,
            "jitter_ms": link.jitter_ms,
            "bandwidth_mbit": link.bandwidth_mbit,
            "loss_percent": link.loss_percent,
            "rtt_ms": case.trip.mean_ms,
        },
        measured=_measured(case),
        ok=not problems,
        note="; ".join(problems) or _remark(case),
    )


def delay_problems(case: Case, tolerance: Tolerance) -> list[str]:
    """How delay and loss of the probes differ from the configured link; empty if they agree."""
    link, back = case.link, case.back
    found = [loss_problem(link, case.sent, len(case.one_way_ms)) if case.sent else ""]
    if case.trips_ms:
        found.append(delay_problem("round trip", case.trips_ms, case.trip, tolerance))
    elif link.loss_percent < 100 and back.loss_percent < 100:
        found.append("no probe was answered")
    if case.one_way_ms and case.same_clock:
        found.append(delay_problem("one-way delay", case.one_way_ms, one_way(link, PROBE_BYTES), tolerance))
    return [problem for problem in found if problem]


def rate_problems(case: Case, tolerance: Tolerance) -> list[str]:
    """How the measured throughput differs from the configured link; empty if it agrees."""
    link = case.link
    if link.bandwidth_mbit is None or link.loss_percent >= 100 or not _can_judge_rate(case):
        return []
    if case.throughput_mbit is None:
        return ["no throughput could be measured"]
    problem = throughput_problem(link, case.throughput_mbit, case.train_packets, tolerance)
    return [problem + _busy(case)] if problem else []


def _busy(case: Case) -> str:
    """The processors that may have limited the rate; empty if none was busy."""
    busy = [f"{name} {share:.0%}" for name, share in case.busy.items() if share >= BUSY]
    return f"; busy processors: {', '.join(busy)}" if busy else ""


def _can_judge_rate(case: Case) -> bool:
    if case.is_fast:
        return not case.back.loss_percent  # TCP needs its acknowledgements
    return (case.link.bandwidth_mbit or 0.0) < case.fast_mbit


def _remark(case: Case) -> str:
    if case.link.loss_percent >= 100:
        return "all packets are lost, as configured"
    if case.link.bandwidth_mbit is not None and not _can_judge_rate(case):
        return "throughput not checked: loss slows TCP down, and UDP probes cannot reach this rate"
    return ""


def _measured(case: Case) -> Mapping[str, Any]:
    trips = sorted(case.trips_ms)
    return {
        "rtt_ms": median(trips) if trips else None,
        "rtt_p99_ms": trips[int(0.99 * len(trips))] if len(trips) >= LEAST_FOR_P99 else None,
        "one_way_ms": median(case.one_way_ms) if case.one_way_ms and case.same_clock else None,
        "throughput_mbit": case.throughput_mbit,
        "loss_percent": 100 * (1 - len(case.one_way_ms) / case.sent) if case.sent else None,
        "probes": case.sent,
        "attempts": case.attempts,
    }
