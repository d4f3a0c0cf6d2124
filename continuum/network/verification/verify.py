"""Measures what the links really do, before the benchmark, and compares it with what they should do.

One pair of nodes stands for each ordered pair of tiers. Round trips are measured on all of them at once,
then throughput: on slow links at once, on fast ones one after the other, because two cores cannot do more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.model.result import LinkFidelity
from continuum.model.topology import Link
from continuum.network.link_model import (
    Moments,
    delay_problem,
    loss_problem,
    median,
    one_way,
    throughput_problem,
)
from continuum.network.verification.agents import Agents
from continuum.network.verification.node_agent import busiest, processors
from continuum.options.tolerance import Tolerance

__all__ = ["Tolerance", "verify"]

ATTEMPTS = 3
"""A link out of tolerance is measured again: a hiccup of the host is not the link's."""

PROBE_BYTES = 69
"""A probe's IP packet: 20 + 8 bytes of headers and the agent's 41."""

FAST_MBIT = 150.0
"""From here on TCP measures: one UDP packet at a time takes an interpreter too long."""

FOREIGN_FAST_MBIT = 2.0
"""The same on nodes that are machines of their own: an interpreted guest sends few packets a second."""

_PROBING_S = 1.5
_LEAST_INTERVAL_S = 0.010
_MOST_PROBES, _LEAST_PROBES = 150, 40
_TRAIN_BYTES = 1400
_TRAIN_S, _TRAIN_SKIP_S = 0.7, 0.1
_TRAIN_EXCESS = 1.2
_LEAST_TRAIN_PACKETS = 60
_TRAINS_AT_ONCE_MBIT = 150.0
_FLOW_STEADY_S = 0.35
_FLOW_LEAST_SKIP_S, _FLOW_SKIP_TRIPS = 0.2, 12
_FLOW_TIME_SCALE = (1, 4, 8)
"""How much longer each attempt takes: where timers are late, TCP takes delay for a queue and grows slowly."""

BUSY = 0.9
"""From this share of its time on a processor may be why a rate was not reached."""

_IP_BYTES_PER_TCP_BYTE = 1500 / 1448  # a full segment with IP, TCP and timestamps
_STREAMS = count(1)


@dataclass(eq=False)
class _Case:
    """A link, the nodes that stand for it, and what was found."""

    link: Link
    back: Link
    src: str
    dst: str
    same_clock: bool
    sent: int = 0
    trips_ms: list[float] = field(default_factory=list)
    one_way_ms: list[float] = field(default_factory=list)
    throughput_mbit: float | None = None
    train_packets: float = 0.0
    attempts: int = 0
    busy: dict[str, float] = field(default_factory=dict)

    @property
    def trip(self) -> Moments:
        """The round trip that both links should give."""
        return one_way(self.link, PROBE_BYTES).plus(one_way(self.back, PROBE_BYTES))

    @property
    def fast_mbit(self) -> float:
        """From where on TCP measures throughput; what UDP packets could never reach one by one."""
        return FAST_MBIT if self.same_clock else FOREIGN_FAST_MBIT

    @property
    def is_fast(self) -> bool:
        """Whether TCP measures its throughput."""
        mbit = self.link.bandwidth_mbit
        return mbit is None or (mbit >= self.fast_mbit and not self.link.loss_percent)


def verify(
    deployment: Deployment, run_log_dir: Path, tolerance: Tolerance | None = None
) -> tuple[LinkFidelity, ...]:
    """Measure one pair of nodes for every ordered pair of tiers.

    Args:
        deployment: nodes whose links are in force.
        run_log_dir: folder for what the agents say.
        tolerance: how far measured may be from configured.

    Returns:
        One entry per ordered pair of tiers: ``configured`` holds the link and ``rtt_ms``, the round trip
        it should give; ``measured`` holds ``rtt_ms`` (median), ``rtt_p99_ms``, ``one_way_ms`` (median,
        where both nodes read one clock), ``throughput_mbit`` (at the IP layer), ``loss_percent``,
        ``probes`` and ``attempts``; ``note`` says in words what is out of tolerance.

    Raises:
        ProvisionError: the agents cannot do their work.
    """
    cases = _cases(deployment)
    if not cases:
        return ()
    tolerance = tolerance or Tolerance()
    nodes = [name for case in cases for name in (case.src, case.dst)]
    with Agents(deployment, nodes, run_log_dir) as agents:
        for _ in range(ATTEMPTS):
            strayed = [case for case in cases if not case.attempts or delay_problems(case, tolerance)]
            uneven = [case for case in cases if not case.attempts or rate_problems(case, tolerance)]
            for case in cases:
                case.attempts += case in strayed or case in uneven
            _probe(agents, strayed)
            _measure_rates(agents, uneven)
    return tuple(judge(case, tolerance) for case in cases)


def round_trips(deployment: Deployment, run_log_dir: Path) -> dict[tuple[str, str], float | None]:
    """Median round trip in ms for every ordered pair of tiers; None where nothing came back.

    The links of the topology say how long to wait.
    """
    cases = _cases(deployment)
    if not cases:
        return {}
    with Agents(deployment, [name for case in cases for name in (case.src, case.dst)], run_log_dir) as agents:
        _probe(agents, cases)
    return {
        (case.link.src, case.link.dst): median(case.trips_ms) if case.trips_ms else None for case in cases
    }


def _cases(deployment: Deployment) -> list[_Case]:
    links = {(link.src, link.dst): link for link in deployment.topology.tier_links()}
    cases = []
    for (src, dst), link in links.items():
        sender = deployment.nodes_of(src)[0].name
        receiver = deployment.nodes_of(dst)[1 if src == dst else 0].name
        same = all(deployment.connections[name].host_clock for name in (sender, receiver))
        cases.append(_Case(link, links[dst, src], sender, receiver, same))
    return cases


def _measure_rates(agents: Agents, cases: Sequence[_Case]) -> None:
    open_cases = [case for case in cases if case.link.loss_percent < 100]
    for batch in _batches(case for case in open_cases if not case.is_fast):
        _train(agents, batch)
    for case in open_cases:
        if case.is_fast and case.back.loss_percent < 100:
            _flow(agents, case)


def _probe(agents: Agents, cases: Sequence[_Case]) -> None:
    """Round trips on all links at once; one stream of probes measures a link and the one back."""
    streams: dict[int, tuple[_Case, _Case | None, float]] = {}
    for stream, (case, mirror) in zip(_STREAMS, _there_and_back(cases), strict=False):
        streams[stream] = case, mirror, _start_probing(agents, case, stream)
    answers: dict[int, dict[str, Any]] = {}
    for stream, (case, _, takes_s) in streams.items():
        answers[stream] = agents.answer(case.src, "stream", stream, takes_s)
        agents[case.dst].tell("heard", stream=stream)
    for stream, (case, mirror, _) in streams.items():
        case.trips_ms = _ms(answers[stream]["rtt_ns"])
        case.one_way_ms = _ms(agents.answer(case.dst, "heard", stream, 0.0)["one_way_ns"])
        if mirror:
            mirror.trips_ms, mirror.one_way_ms = case.trips_ms, _ms(answers[stream]["one_way_ns"])
            mirror.sent = len(case.one_way_ms)


def _there_and_back(cases: Sequence[_Case]) -> Iterator[tuple[_Case, _Case | None]]:
    """Each link with the one back, where one stream can measure both: where both let packets pass."""
    left = {(case.src, case.dst): case for case in cases}
    for case in cases:
        if left.pop((case.src, case.dst), None):
            both_pass = max(case.link.loss_percent, case.back.loss_percent) < 100
            yield case, left.pop((case.dst, case.src), None) if both_pass else None


def _start_probing(agents: Agents, case: _Case, stream: int) -> float:
    """Have the probes of a link sent; return the seconds until they have come back."""
    # Probes of one pair keep their order: closer together, jitter would delay each by its forerunner's.
    jitter_s = max(case.link.jitter_ms, case.back.jitter_ms) / 1e3
    interval_s = max(_LEAST_INTERVAL_S, 3 * jitter_s)
    case.sent = max(_LEAST_PROBES, min(_MOST_PROBES, int(_PROBING_S / interval_s)))
    wait_s = 0.05 + 1.2 * (case.trip.mean_ms + 4 * case.trip.deviation_ms) / 1e3
    to = [agents[case.dst].address, agents[case.dst].ports["udp"]]
    agents[case.src].tell(
        "probe", stream=stream, to=to, count=case.sent, interval_s=interval_s, wait_s=wait_s
    )
    return case.sent * interval_s + wait_s


def _ms(nanoseconds: Sequence[int]) -> list[float]:
    return [value / 1e6 for value in nanoseconds]


def _batches(cases: Iterable[_Case]) -> list[list[_Case]]:
    """Slow links that may be measured together."""
    batches: list[list[_Case]] = []
    total = 0.0
    for case in sorted(cases, key=lambda one: one.link.bandwidth_mbit or 0.0):
        total += case.link.bandwidth_mbit or 0.0
        if not batches or total > _TRAINS_AT_ONCE_MBIT:
            batches.append([])
            total = case.link.bandwidth_mbit or 0.0
        batches[-1].append(case)
    return batches


def _train(agents: Agents, cases: Sequence[_Case]) -> None:
    """Send a little more than each link takes; what arrives arrives at its rate."""
    streams: dict[int, tuple[_Case, float]] = {}
    for stream, case in zip(_STREAMS, cases, strict=False):
        rate = min(case.link.bandwidth_mbit or FAST_MBIT, FAST_MBIT)
        seconds = max(_TRAIN_S, _LEAST_TRAIN_PACKETS * _TRAIN_BYTES * 8 / (rate * 1e6))
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


def _flow(agents: Agents, case: _Case) -> None:
    """One TCP flow; its rate once it has found the link's, and what else it may have been held up by."""
    stream, timeout_scale = next(_STREAMS), _FLOW_TIME_SCALE[min(case.attempts, ATTEMPTS) - 1]
    skip_s = timeout_scale * max(_FLOW_LEAST_SKIP_S, _FLOW_SKIP_TRIPS * case.trip.mean_ms / 1e3)
    seconds = skip_s + timeout_scale * _FLOW_STEADY_S
    to = [agents[case.dst].address, agents[case.dst].ports["tcp"]]
    before = processors()
    agents[case.src].tell("flow", stream=stream, to=to, seconds=seconds)
    sent = agents.answer(case.src, "stream", stream, seconds)
    agents[case.dst].tell("received", stream=stream, skip_s=skip_s)
    received = agents.answer(case.dst, "received", stream, 0.0)
    case.busy = {case.src: sent["busy"], case.dst: received["busy"], "this machine": busiest(before)}
    mbit = received["mbit"]
    case.throughput_mbit = None if mbit is None else mbit * _IP_BYTES_PER_TCP_BYTE


def judge(case: _Case, tolerance: Tolerance) -> LinkFidelity:
    """What was found beside what was configured, and what is out of tolerance."""
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


def delay_problems(case: _Case, tolerance: Tolerance) -> list[str]:
    """What the probes say against the link."""
    link, back = case.link, case.back
    found = [loss_problem(link, case.sent, len(case.one_way_ms)) if case.sent else ""]
    if case.trips_ms:
        found.append(delay_problem("round trip", case.trips_ms, case.trip, tolerance))
    elif link.loss_percent < 100 and back.loss_percent < 100:
        found.append("no probe was answered")
    if case.one_way_ms and case.same_clock:
        found.append(delay_problem("one-way delay", case.one_way_ms, one_way(link, PROBE_BYTES), tolerance))
    return [problem for problem in found if problem]


def rate_problems(case: _Case, tolerance: Tolerance) -> list[str]:
    """What the measured throughput says against the link."""
    link = case.link
    if link.bandwidth_mbit is None or link.loss_percent >= 100 or not _can_judge_rate(case):
        return []
    if case.throughput_mbit is None:
        return ["no throughput could be measured"]
    problem = throughput_problem(link, case.throughput_mbit, case.train_packets, tolerance)
    return [problem + _busy(case)] if problem else []


def _busy(case: _Case) -> str:
    """Processors that may have been too slow for the rate; empty where none had much to do."""
    busy = [f"{name} {share:.0%}" for name, share in case.busy.items() if share >= BUSY]
    return f", with processors busy meanwhile: {', '.join(busy)}" if busy else ""


def _can_judge_rate(case: _Case) -> bool:
    if case.is_fast:
        return not case.back.loss_percent  # TCP needs its acknowledgements
    return (case.link.bandwidth_mbit or 0.0) < case.fast_mbit


def _remark(case: _Case) -> str:
    if case.link.loss_percent >= 100:
        return "nothing passes, as configured"
    if case.link.bandwidth_mbit is not None and not _can_judge_rate(case):
        return "throughput not judged: loss slows TCP down, and UDP at this rate the interpreter"
    return ""


def _measured(case: _Case) -> Mapping[str, Any]:
    trips = sorted(case.trips_ms)
    return {
        "rtt_ms": median(trips) if trips else None,
        "rtt_p99_ms": trips[int(0.99 * len(trips))] if len(trips) >= 100 else None,
        "one_way_ms": median(case.one_way_ms) if case.one_way_ms and case.same_clock else None,
        "throughput_mbit": case.throughput_mbit,
        "loss_percent": 100 * (1 - len(case.one_way_ms) / case.sent) if case.sent else None,
        "probes": case.sent,
        "attempts": case.attempts,
    }
