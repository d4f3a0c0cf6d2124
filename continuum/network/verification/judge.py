"""Compares what was measured on a link with what was configured. Pure.

A single measurement that is close to the configuration is accepted at once. A link that is measured again
because it was not is judged by all measurements together, which a faulty link passes by chance less often
than by one of several tries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isclose
from statistics import NormalDist
from typing import Any

from continuum.model.result import LinkFidelity
from continuum.model.topology import Link
from continuum.network.link_model import (
    STANDARD_ERRORS,
    delay_problem,
    lateness_problem,
    loss_problem,
    median,
    one_way,
    quartile_range,
    spread_problem,
    throughput_problem,
)
from continuum.network.verification.case import PROBE_BYTES, Case, Probing
from continuum.options.tolerance import Tolerance

BUSY = 0.9
"""A processor that works for at least this share of the time may limit the rate."""

LEAST_FOR_P99 = 100
"""A 99th percentile requires at least this many round trips."""

ACCEPTED_ERRORS = 1.0
"""Standard errors of the mean delay that a single measurement may deviate, beside the tolerance."""

LEAST_LATENESSES = 20
"""Probes whose chosen delay must be known, at least, for delays to be judged by the difference from it."""

WIDE_ERRORS = 4.0
"""Standard errors that the mean delay may deviate if the difference from the chosen delays is judged, too."""

ACCEPTED_LOSS_ERRORS = 2.0
"""The same for the share of lost packets."""

SLOWEST_ENGINE_MS = 1.0
"""One-way delay that a link of 0 ms may have beside the tolerance: it is as fast as the engine is."""

COMPARED = ("latency_ms", "jitter_ms", "bandwidth_mbit", "loss_percent")
"""Values of a link that the network engine must apply exactly as configured."""

FALSE_ALARMS = 0.01
"""Share of runs with correct links in which chance alone may put a link out of tolerance."""

_CHECKS_PER_CASE = 4


def standard_errors(cases: int) -> float:
    """The standard errors that chance explains, so that all checks together raise few false alarms."""
    return NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * _CHECKS_PER_CASE * max(1, cases)))


def judge(
    cases: Sequence[Case],
    tolerance: Tolerance,
    errors: float = STANDARD_ERRORS,
    applied: Sequence[Link] | None = None,
) -> LinkFidelity:
    """Measured beside configured, and whether the link is within tolerance.

    Args:
        cases: the pairs of nodes of one ordered pair of tiers; the first has the throughput.
        tolerance: allowed deviation.
        errors: standard errors that chance explains.
        applied: the links that the network engine applies between these nodes; None if it does not know.
    """
    problems = [] if applied is None else _differences(cases[0].link, applied)
    for case in cases:
        found = [*delay_problems(case, tolerance, errors), *rate_problems(case, tolerance)]
        where = f"{case.src} -> {case.dst}: " if len(cases) > 1 and found else ""
        problems += [where + "; ".join(found)] if found else []
    first, link = cases[0], cases[0].link
    return LinkFidelity(
        src=link.src,
        dst=link.dst,
        configured={
            "latency_ms": link.latency_ms,
            "jitter_ms": link.jitter_ms,
            "bandwidth_mbit": link.bandwidth_mbit,
            "loss_percent": link.loss_percent,
            "rtt_ms": first.trip.mean_ms,
        },
        measured=_measured(cases),
        ok=not problems,
        note="; ".join(problems) or _remark(first),
    )


def _differences(link: Link, applied: Sequence[Link]) -> list[str]:
    """How the links that the engine applies differ from the configured one."""
    if not applied:
        return ["the network engine applies no link"]
    found = []
    for other in applied:
        differing = [
            f"{name} {getattr(other, name)} instead of {getattr(link, name)}"
            for name in COMPARED
            if not _is_close(getattr(other, name), getattr(link, name))
        ]
        if differing:
            where = "" if (other.src, other.dst) == (link.src, link.dst) else f"{other.src} -> {other.dst}: "
            found.append(f"{where}the network engine applies {', '.join(differing)}")
    return found


def _is_close(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def is_accepted(case: Case, tolerance: Tolerance) -> bool:
    """Whether the latest measurement of the delays is so close to the link that no other one is required."""
    if not case.probings:
        return False
    if _engine_loss_problem(case, ACCEPTED_LOSS_ERRORS):
        return False
    return not _problems(case, case.probings[-1], tolerance, ACCEPTED_ERRORS)


def delay_problems(case: Case, tolerance: Tolerance, errors: float = STANDARD_ERRORS) -> list[str]:
    """How delays and losses of all measurements differ from the configured link; empty if they agree."""
    if not case.probings or is_accepted(case, tolerance):
        return []
    found = [*_problems(case, case.together, tolerance, errors), _engine_loss_problem(case, errors)]
    return [problem for problem in found if problem]


def _problems(case: Case, probing: Probing, tolerance: Tolerance, errors: float) -> list[str]:
    """How the delays of some probes, and their losses, differ from the configured link."""
    link, back = case.link, case.back
    least = max(errors, STANDARD_ERRORS)
    found = [loss_problem(link, probing.sent, len(probing.one_way_ms), least) if probing.sent else ""]
    if not probing.trips_ms and link.loss_percent < 100 and back.loss_percent < 100:
        found.append("no probe was answered")
    allowed = _with_engine_delay(tolerance, link)
    if not (probing.one_way_ms and case.same_clock):
        found += _trip_problems(case, probing, tolerance, errors)
    elif len(probing.late_ms) < LEAST_LATENESSES:
        expected = one_way(link, PROBE_BYTES)
        found += _trip_problems(case, probing, tolerance, errors)
        found.append(delay_problem("one-way delay", probing.one_way_ms, expected, allowed, errors))
        found.append(spread_problem(probing.one_way_ms, link, tolerance))
    else:
        # The difference from the chosen delays is exact. What they were chosen from is known, too (see
        # ``judge``), so that their mean needs no narrow margin; and each way is judged by itself.
        expected, wide = one_way(link, PROBE_BYTES), max(errors, WIDE_ERRORS)
        found.append(lateness_problem("one-way delay", probing.late_ms, expected, allowed, errors))
        found.append(delay_problem("one-way delay", probing.one_way_ms, expected, allowed, wide))
        found.append(spread_problem(probing.one_way_ms, link, tolerance))
    return [problem for problem in found if problem]


def _trip_problems(case: Case, probing: Probing, tolerance: Tolerance, errors: float) -> list[str]:
    """How the round trips differ from those that both links should give."""
    allowed = _with_engine_delay(tolerance, case.link, case.back)
    trips_ms = probing.trips_ms
    return [delay_problem("round trip", trips_ms, case.trip, allowed, errors)] if trips_ms else []


def _with_engine_delay(tolerance: Tolerance, *links: Link) -> Tolerance:
    """The tolerance of a path over links, of which those of 0 ms have the delay of the engine."""
    count = sum(not link.latency_ms for link in links)
    return replace(tolerance, delay_floor_ms=tolerance.delay_floor_ms + count * SLOWEST_ENGINE_MS)


def _engine_loss_problem(case: Case, errors: float) -> str:
    """How the share of packets that the network engine lost differs from the configured link."""
    return loss_problem(case.link, case.offered, case.offered - case.lost, errors) if case.offered else ""


def rate_problems(case: Case, tolerance: Tolerance) -> list[str]:
    """How the measured throughput differs from the configured link; empty if it agrees."""
    link = case.link
    if not case.has_rate or link.bandwidth_mbit is None or link.loss_percent >= 100:
        return []
    if not _can_judge_rate(case):
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
    if not case.link.latency_ms and case.one_way_ms and case.same_clock:
        return f"0 ms is as fast as the network engine is: {median(case.one_way_ms):.2f} ms here"
    if case.link.bandwidth_mbit is not None and not _can_judge_rate(case):
        return "throughput not checked: loss slows TCP down, and UDP probes cannot reach this rate"
    return ""


def _measured(cases: Sequence[Case]) -> Mapping[str, Any]:
    first = cases[0]
    trips = sorted(trip_ms for case in cases for trip_ms in case.trips_ms)
    delays = [delay_ms for case in cases for delay_ms in case.one_way_ms] if first.same_clock else []
    sent, arrived = sum(case.sent for case in cases), sum(len(case.one_way_ms) for case in cases)
    return {
        "rtt_ms": median(trips) if trips else None,
        "rtt_p99_ms": trips[int(0.99 * len(trips))] if len(trips) >= LEAST_FOR_P99 else None,
        "one_way_ms": median(delays) if delays else None,
        "jitter_ms": quartile_range(delays) / (2 * NormalDist().inv_cdf(0.75)) if delays else None,
        "throughput_mbit": first.throughput_mbit,
        "loss_percent": 100 * (1 - arrived / sent) if sent else None,
        "probes": sent,
        "node_pairs": len(cases),
        "attempts": max(case.attempts for case in cases),
        "attempts_rtt_ms": [median(one.trips_ms) if one.trips_ms else None for one in first.probings],
    }
