"""Measures what the links do, before the benchmark, and compares it with the configuration.

Some pairs of nodes represent each ordered pair of tiers. Round trips are measured on all of them at once.
Throughput is measured between the first pair: on slow links together and on fast ones one after the other,
since two cores cannot generate more traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from continuum.network.verification.engine_view import EngineView, Losses
from continuum.network.verification.judge import is_accepted, judge, rate_problems, standard_errors
from continuum.network.verification.node_agent import busiest, processors
from continuum.network.verification.pairs import cases as cases_of
from continuum.options.tolerance import Tolerance

ATTEMPTS = 3
"""A link out of tolerance is measured again, since the host may have caused the deviation."""

_LEAST_INTERVAL_S = 0.010
_SPACING = 1.03
"""Time between two probes, in correlation times of the jitter."""
_BURST_JITTERS = 5.0
"""Least time between probes for netem, in deviations of the jitter: it holds what arrives within less."""
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
_STREAMS = count(1 << 20)
"""Numbers of streams; those of sentinel probes are smaller."""


@dataclass(frozen=True)
class Effort:
    """How long the links are measured.

    Attributes:
        probing_s: duration of the round-trip measurement.
        most_probes: most probes per link.
        known_probes: probes per link without losses if the engine knows the delay that it chose for each.
        train_s: duration of a throughput measurement with UDP.
        flow_s: duration of one with TCP, after its start-up.
    """

    probing_s: float
    most_probes: int
    known_probes: int
    train_s: float
    flow_s: float


CHECK = Effort(probing_s=2.5, most_probes=200, known_probes=40, train_s=0.7, flow_s=0.4)
"""Enough to see that links are as configured."""

BENCHMARK = Effort(probing_s=10.0, most_probes=1000, known_probes=1000, train_s=5.0, flow_s=5.0)
"""A benchmark of the network, for ``netperf = True``."""


def verify(
    deployment: Deployment,
    run_log_dir: Path,
    tolerance: Tolerance | None = None,
    effort: Effort = CHECK,
    engine: EngineView | None = None,
) -> tuple[LinkFidelity, ...]:
    """Measure some pairs of nodes for every ordered pair of tiers.

    Args:
        deployment: nodes whose links have been applied.
        run_log_dir: folder for the output of the agents.
        tolerance: how far measured may be from configured.
        effort: how long to measure.
        engine: what the network engine knows; by default, nothing.

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
    tolerance, engine = tolerance or Tolerance(), engine or EngineView()
    cases = [case for group in groups for case in group]
    applied = engine.applied()
    with Agents(deployment, _nodes(cases), run_log_dir) as agents:
        before = engine.losses()
        for _ in range(ATTEMPTS):
            delays = [case for case in cases if not is_accepted(case, tolerance)]
            rates = [
                case
                for case in cases
                if case.has_rate and (not case.attempts or rate_problems(case, tolerance))
            ]
            for case in cases:
                case.attempts += case in delays or case in rates
            _probe(agents, delays, effort, engine)
            _measure_rates(agents, rates, effort)
            _count_losses(groups, before, engine.losses())
    errors = standard_errors(len(cases))
    return tuple(
        judge(group, tolerance, errors, _between(deployment, group[0].link, applied)) for group in groups
    )


def _between(deployment: Deployment, link: Link, applied: Sequence[Link] | None) -> list[Link] | None:
    """Those of the applied links that packets between the two tiers of a link may take."""
    if applied is None:
        return None
    ends = [{tier, *(node.name for node in deployment.nodes_of(tier))} for tier in (link.src, link.dst)]
    return [one for one in applied if one.src in ends[0] and one.dst in ends[1]]


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
        _probe(agents, cases, CHECK, EngineView())
    return {
        (case.link.src, case.link.dst): median(case.trips_ms) if case.trips_ms else None for case in cases
    }


def _measure_rates(agents: Agents, cases: Sequence[Case], effort: Effort) -> None:
    """Measure throughput: slow links together, fast ones one after the other at the same time."""
    open_cases = [case for case in cases if case.link.loss_percent < 100]
    slow, *later = _batches(case for case in open_cases if not case.is_fast) or [[]]
    trains = _start_trains(agents, slow, effort)
    for case in open_cases:
        if case.is_fast and case.back.loss_percent < 100:
            _flow(agents, case, effort)
    _end_trains(agents, trains)
    for batch in later:
        _end_trains(agents, _start_trains(agents, batch, effort))


@dataclass(frozen=True)
class _Stream:
    """A stream of probes that measures a link, and the opposite one if that can answer."""

    number: int
    case: Case
    mirror: Case | None
    sent: int
    takes_s: float


def _probe(agents: Agents, cases: Sequence[Case], effort: Effort, engine: EngineView) -> None:
    """Measure round trips on all links at once; one stream of probes measures both directions."""
    pairs = list(_pairs(cases))
    engine.expect_probes([path for case, mirror in pairs for path in _paths(agents, case, mirror)])
    few = engine.tells_intended
    streams = [
        _start_probing(agents, case, mirror, number, effort, few=few, phase=place / len(pairs))
        for place, (number, (case, mirror)) in enumerate(zip(_STREAMS, pairs, strict=False))
    ]
    there: dict[int, Mapping[int, float]] = {}
    answers: dict[int, dict[str, Any]] = {}
    for one in streams:
        answers[one.number] = agents.answer(one.case.src, "stream", one.number, one.takes_s)
        agents[one.case.dst].tell("heard", stream=one.number)
    for one in streams:
        heard = agents.answer(one.case.dst, "heard", one.number, 0.0)
        there[one.number] = _ms(heard["one_way_ns"])
    intended = engine.intended_ms()
    for one in streams:
        _keep(one, there[one.number], answers[one.number], intended)


def _paths(agents: Agents, case: Case, mirror: Case | None) -> Iterator[tuple[str, str, int]]:
    """The paths of a stream of probes and of its answers, with the UDP ports that they are sent to."""
    yield case.src, case.dst, agents[case.dst].ports["udp"]
    if mirror:
        yield case.dst, case.src, agents[case.src].ports["probe"]


def _keep(
    stream: _Stream,
    there_ms: Mapping[int, float],
    answer: Mapping[str, Any],
    intended_ms: Mapping[tuple[int, int], float],
) -> None:
    """Add the measurements of a stream to its cases."""
    case, mirror = stream.case, stream.mirror
    trips_ms, back_ms = tuple(_ms(answer["rtt_ns"]).values()), _ms(answer["one_way_ns"])
    late_ms = _lateness(there_ms, stream.number, intended_ms, case.link)
    case.probings.append(Probing(stream.sent, trips_ms, tuple(there_ms.values()), late_ms))
    if mirror:
        # An answer has the complement of the stream's number, see ``node_agent``.
        late_ms = _lateness(back_ms, ~stream.number, intended_ms, mirror.link)
        mirror.probings.append(Probing(len(there_ms), trips_ms, tuple(back_ms.values()), late_ms))


def _lateness(
    delays_ms: Mapping[int, float],
    stream: int,
    intended_ms: Mapping[tuple[int, int], float],
    link: Link,
) -> tuple[float, ...]:
    """The delays of probes, less those that the engine chose, of the probes for which that is known."""
    if not intended_ms:
        return ()
    of_plain = 0.0 if link.is_plain else None
    chosen_ms = {number: intended_ms.get((stream, number), of_plain) for number in delays_ms}
    return tuple(delays_ms[number] - one for number, one in chosen_ms.items() if one is not None)


def _pairs(cases: Sequence[Case]) -> Iterator[tuple[Case, Case | None]]:
    """Each case, with the opposite one if one stream can measure both: if neither link loses all packets."""
    left = {(case.src, case.dst): case for case in cases}
    for case in cases:
        if left.pop((case.src, case.dst), None):
            both_pass = max(case.link.loss_percent, case.back.loss_percent) < 100
            yield case, left.pop((case.dst, case.src), None) if both_pass else None


def _start_probing(
    agents: Agents, case: Case, mirror: Case | None, stream: int, effort: Effort, *, few: bool, phase: float
) -> _Stream:
    """Start the probes of a link.

    Args:
        agents: the agents on the nodes.
        case: what is measured.
        mirror: the opposite direction, if the answers measure it.
        stream: number of the stream.
        effort: how long to measure.
        few: whether the engine knows the delays that it chose.
        phase: share of the interval between probes to wait, so that streams do not send at the same moment.
    """
    interval_s = probe_interval_s(case.link, case.back)
    wanted = min(effort.most_probes, int(effort.probing_s / interval_s)) if case.has_rate else 0
    if few and not (case.link.loss_percent or case.back.loss_percent):
        wanted = effort.known_probes
    count = max(_LEAST_PROBES, wanted)
    if not few:
        interval_s = max(interval_s, _BURST_JITTERS * max(case.link.jitter_ms, case.back.jitter_ms) / 1e3)
    wait_s = 0.05 + 1.2 * (case.trip.mean_ms + 4 * case.trip.deviation_ms) / 1e3
    to = [agents[case.dst].address, agents[case.dst].ports["udp"]]
    after_s = phase * interval_s
    agents[case.src].tell(
        "probe", stream=stream, to=to, count=count, interval_s=interval_s, after_s=after_s, wait_s=wait_s
    )
    return _Stream(stream, case, mirror, count, after_s + count * interval_s + wait_s)


def probe_interval_s(link: Link, back: Link) -> float:
    """Time between two probes, so long that the delays of both are independent even if one is sent late."""
    return max(_LEAST_INTERVAL_S, _SPACING * max(correlation_ms(link), correlation_ms(back)) / 1e3)


def _ms(nanoseconds: Sequence[tuple[int, int]]) -> dict[int, float]:
    """Milliseconds by number of the probe."""
    return {number: value / 1e6 for number, value in nanoseconds}


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


def _start_trains(agents: Agents, cases: Sequence[Case], effort: Effort) -> dict[int, tuple[Case, float]]:
    """Send over UDP more than each link carries; returns by stream the case and the duration in s."""
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
    return streams


def _end_trains(agents: Agents, streams: Mapping[int, tuple[Case, float]]) -> None:
    """Wait for the end of the streams and measure their arrival rates."""
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
