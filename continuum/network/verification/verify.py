"""Measures what the links do, before the benchmark, and compares it with the configuration.

Some pairs of nodes represent each ordered pair of tiers. Round trips are measured on all of them at once.
Throughput is measured between the first pair: on slow links together and on fast ones one after the other,
since two cores cannot generate more traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.model.result import LinkFidelity
from continuum.model.topology import Link
from continuum.network.link_model import correlation_ms, median
from continuum.network.verification.agents import Agents
from continuum.network.verification.case import FAST_MBIT, Case, Probing
from continuum.network.verification.judge import is_accepted, judge, rate_problems, standard_errors
from continuum.network.verification.node_agent import busiest, processors
from continuum.network.verification.pairs import cases as cases_of
from continuum.options.tolerance import Tolerance

Losses = Mapping[tuple[str, str], tuple[int, int]]
"""By ordered pair of tiers: packets that the network engine received, and those of them that it lost."""

ATTEMPTS = 3
"""A link out of tolerance is measured again, since the host may have caused the deviation."""

_LEAST_INTERVAL_S = 0.010
_SPACING = 1.03
"""Time between two probes, in correlation times of the jitter."""
_LEAST_PROBES = 40
_TRAIN_BYTES = 1400
_TRAIN_SKIP_S = 0.1
_TRAIN_EXCESS = 1.2
_LEAST_TRAIN_PACKETS = 60
_TRAINS_AT_ONCE_MBIT = 150.0
_FLOW_LEAST_SKIP_S, _FLOW_SKIP_TRIPS = 0.2, 12
_FLOW_TIME_SCALE = (1, 4, 8)
"""Duration factor of each attempt: late timers look like a queue to TCP, which then speeds up slowly."""

_IP_BYTES_PER_TCP_BYTE = 1500 / 1448  # a full segment with IP, TCP and timestamps
_STREAMS = count(1)


@dataclass(frozen=True)
class Effort:
    """How long the links are measured.

    Attributes:
        probing_s: duration of the round-trip measurement.
        most_probes: most probes per link.
        train_s: duration of a throughput measurement with UDP.
        flow_s: duration of one with TCP, after its start-up.
    """

    probing_s: float
    most_probes: int
    train_s: float
    flow_s: float


CHECK = Effort(probing_s=2.1, most_probes=200, train_s=0.7, flow_s=0.35)
"""Enough to see that links are as configured."""

BENCHMARK = Effort(probing_s=10.0, most_probes=1000, train_s=5.0, flow_s=5.0)
"""A benchmark of the network, for ``netperf = True``."""


def verify(
    deployment: Deployment,
    run_log_dir: Path,
    tolerance: Tolerance | None = None,
    effort: Effort = CHECK,
    losses: Callable[[], Losses] = dict,
) -> tuple[LinkFidelity, ...]:
    """Measure some pairs of nodes for every ordered pair of tiers.

    Args:
        deployment: nodes whose links have been applied.
        run_log_dir: folder for the output of the agents.
        tolerance: how far measured may be from configured.
        effort: how long to measure.
        losses: reads the counters of the network engine; empty if it has none.

    Returns:
        One entry per ordered pair of tiers. ``configured`` holds the link and ``rtt_ms``, the round trip it
        should give. ``measured`` holds ``rtt_ms`` (median), ``rtt_p99_ms``, ``one_way_ms`` (median, if both
        nodes read the same clock), ``jitter_ms`` (from the quartiles of the one-way delays),
        ``throughput_mbit`` (at the IP layer), ``loss_percent``, ``probes``, ``node_pairs``, ``attempts`` and
        ``attempts_rtt_ms`` (the median of each). ``note`` describes what is out of tolerance.

    Raises:
        ProvisionError: an agent failed.
    """
    groups = cases_of(deployment)
    if not groups:
        return ()
    tolerance = tolerance or Tolerance()
    cases = [case for group in groups for case in group]
    with Agents(deployment, _nodes(cases), run_log_dir) as agents:
        before = losses()
        for _ in range(ATTEMPTS):
            delays = [case for case in cases if not is_accepted(case, tolerance)]
            rates = [
                case
                for case in cases
                if case.has_rate and (not case.attempts or rate_problems(case, tolerance))
            ]
            for case in cases:
                case.attempts += case in delays or case in rates
            _probe(agents, delays, effort)
            _measure_rates(agents, rates, effort)
            _count_losses(groups, before, losses())
    errors = standard_errors(len(cases))
    return tuple(judge(group, tolerance, errors) for group in groups)


def _nodes(cases: Sequence[Case]) -> list[str]:
    return [name for case in cases for name in (case.src, case.dst)]


def _count_losses(groups: Sequence[Sequence[Case]], before: Losses, now: Losses) -> None:
    """Note what the engine has counted on each link since ``before``."""
    for first, *_ in groups:
        pair = first.link.src, first.link.dst
        offered, lost = now.get(pair, (0, 0))
        offered_before, lost_before = before.get(pair, (0, 0))
        first.offered, first.lost = offered - offered_before, lost - lost_before


def round_trips(deployment: Deployment, run_log_dir: Path) -> dict[tuple[str, str], float | None]:
    """Median round trip in ms for every ordered pair of tiers; None if no probe was answered.

    The links of the topology determine how long to wait.
    """
    cases = [group[0] for group in cases_of(deployment)]
    if not cases:
        return {}
    with Agents(deployment, _nodes(cases), run_log_dir) as agents:
        _probe(agents, cases, CHECK)
    return {
        (case.link.src, case.link.dst): median(case.trips_ms) if case.trips_ms else None for case in cases
    }


def _measure_rates(agents: Agents, cases: Sequence[Case], effort: Effort) -> None:
    open_cases = [case for case in cases if case.link.loss_percent < 100]
    for batch in _batches(case for case in open_cases if not case.is_fast):
        _train(agents, batch, effort)
    for case in open_cases:
        if case.is_fast and case.back.loss_percent < 100:
            _flow(agents, case, effort)


def _probe(agents: Agents, cases: Sequence[Case], effort: Effort) -> None:
    """Measure round trips on all links at once; one stream of probes measures both directions."""
    streams: dict[int, tuple[Case, Case | None, int, float]] = {}
    for stream, (case, mirror) in zip(_STREAMS, _pairs(cases), strict=False):
        streams[stream] = case, mirror, *_start_probing(agents, case, stream, effort)
    answers: dict[int, dict[str, Any]] = {}
    for stream, (case, _, _, takes_s) in streams.items():
        answers[stream] = agents.answer(case.src, "stream", stream, takes_s)
        agents[case.dst].tell("heard", stream=stream)
    for stream, (case, mirror, sent, _) in streams.items():
        trips_ms = _ms(answers[stream]["rtt_ns"])
        there_ms = _ms(agents.answer(case.dst, "heard", stream, 0.0)["one_way_ns"])
        case.probings.append(Probing(sent, trips_ms, there_ms))
        if mirror:
            back_ms = _ms(answers[stream]["one_way_ns"])
            mirror.probings.append(Probing(len(there_ms), trips_ms, back_ms))


def _pairs(cases: Sequence[Case]) -> Iterator[tuple[Case, Case | None]]:
    """Each case, with the opposite one if one stream can measure both: if neither link loses all packets."""
    left = {(case.src, case.dst): case for case in cases}
    for case in cases:
        if left.pop((case.src, case.dst), None):
            both_pass = max(case.link.loss_percent, case.back.loss_percent) < 100
            yield case, left.pop((case.dst, case.src), None) if both_pass else None


def _start_probing(agents: Agents, case: Case, stream: int, effort: Effort) -> tuple[int, float]:
    """Start the probes of a link; returns their number, and the seconds until all answers have arrived."""
    interval_s = probe_interval_s(case.link, case.back)
    wanted = min(effort.most_probes, int(effort.probing_s / interval_s)) if case.has_rate else 0
    count = max(_LEAST_PROBES, wanted)
    wait_s = 0.05 + 1.2 * (case.trip.mean_ms + 4 * case.trip.deviation_ms) / 1e3
    to = [agents[case.dst].address, agents[case.dst].ports["udp"]]
    agents[case.src].tell("probe", stream=stream, to=to, count=count, interval_s=interval_s, wait_s=wait_s)
    return count, count * interval_s + wait_s


def probe_interval_s(link: Link, back: Link) -> float:
    """Time between two probes, so long that the delays of both are independent even if one is sent late."""
    return max(_LEAST_INTERVAL_S, _SPACING * max(correlation_ms(link), correlation_ms(back)) / 1e3)


def _ms(nanoseconds: Sequence[int]) -> tuple[float, ...]:
    return tuple(value / 1e6 for value in nanoseconds)


def _batches(cases: Iterable[Case]) -> list[list[Case]]:
    """Groups of slow links that can be measured together."""
    batches: list[list[Case]] = []
    total = 0.0
    for case in sorted(cases, key=lambda one: one.link.bandwidth_mbit or 0.0):
        total += case.link.bandwidth_mbit or 0.0
        if not batches or total > _TRAINS_AT_ONCE_MBIT:
            batches.append([])
            total = case.link.bandwidth_mbit or 0.0
        batches[-1].append(case)
    return batches


def _train(agents: Agents, cases: Sequence[Case], effort: Effort) -> None:
    """Measure throughput with UDP: send more than each link carries and measure the arrival rate."""
    streams: dict[int, tuple[Case, float]] = {}
    for stream, case in zip(_STREAMS, cases, strict=False):
        rate = min(case.link.bandwidth_mbit or FAST_MBIT, FAST_MBIT)
        seconds = max(effort.train_s, _LEAST_TRAIN_PACKETS * _TRAIN_BYTES * 8 / (rate * 1e6))
        case.train_packets = rate * 1e6 / 8 / _TRAIN_BYTES * seconds
        to = [agents[case.dst].address, agents[case.dst].ports["udp"]]
        agents[case.src].tell(
            "train", stream=stream, to=to, mbit=rate * _TRAIN_EXCESS, seconds=seconds, size=_TRAIN_BYTES
        )
        streams[stream] = case, seconds
    for stream, (case, seconds) in streams.items():
        agents.answer(case.src, "stream", stream, seconds)
        agents[case.dst].tell("received", stream=stream, skip_s=_TRAIN_SKIP_S)
    for stream, (case, _) in streams.items():
        case.throughput_mbit = agents.answer(case.dst, "received", stream, 0.0)["mbit"]


def _flow(agents: Agents, case: Case, effort: Effort) -> None:
    """Measure throughput with one TCP flow, after its start-up, and how busy the processors were."""
    stream, scale = next(_STREAMS), _FLOW_TIME_SCALE[min(case.attempts, ATTEMPTS) - 1]
    skip_s = scale * max(_FLOW_LEAST_SKIP_S, _FLOW_SKIP_TRIPS * case.trip.mean_ms / 1e3)
    seconds = skip_s + max(effort.flow_s, scale * CHECK.flow_s)
    to = [agents[case.dst].address, agents[case.dst].ports["tcp"]]
    before = processors()
    agents[case.src].tell("flow", stream=stream, to=to, seconds=seconds)
    sent = agents.answer(case.src, "stream", stream, seconds)
    agents[case.dst].tell("received", stream=stream, skip_s=skip_s)
    received = agents.answer(case.dst, "received", stream, 0.0)
    case.busy = {case.src: sent["busy"], case.dst: received["busy"], "this host": busiest(before)}
    mbit = received["mbit"]
    case.throughput_mbit = None if mbit is None else mbit * _IP_BYTES_PER_TCP_BYTE
