"""What verify finds, and how often it is wrong: many runs are drawn, with links that are right and wrong."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from continuum.model.topology import Link
from continuum.network.fabric.jitter import Jitter
from continuum.network.fabric.shape import from_link
from continuum.network.verification.case import Case, Probing
from continuum.network.verification.judge import delay_problems, is_accepted, judge, standard_errors
from continuum.network.verification.pairs import sample
from continuum.network.verification.verify import ATTEMPTS, CHECK, probe_interval_s
from continuum.options.tolerance import Tolerance

RUNS = 200
HOST_MS = 0.05
"""Mean delay that the host adds to a packet."""

PACKETS = 700
"""Packets that the engine counts on a slow link in one measurement."""

WIRELESS = Link("endpoint", "cloud", latency_ms=45, jitter_ms=5)
NEAR = Link("endpoint", "edge", latency_ms=7.5, jitter_ms=2.5)
LOSSY = Link("endpoint", "cloud", latency_ms=20, loss_percent=1)
PLAIN = Link("edge", "cloud", latency_ms=10)


class Path:
    """What probes meet on a link: the fabric's delays in order, and losses."""

    def __init__(self, link: Link, chance: Random) -> None:
        self.link, self.chance = link, chance
        self.shape, self.jitter = from_link(vars(link)), Jitter(lambda: chance.gauss(0, 1))
        self.released_at = 0.0

    def delay_ms(self, sent_s: float) -> float | None:
        """The delay of a probe; None if it is lost."""
        if self.chance.random() * 100 < self.link.loss_percent:
            return None
        drawn_s = self.shape.delay_for(self.jitter.at(sent_s, self.shape.correlation_s))
        self.released_at = max(self.released_at, sent_s + drawn_s)
        return (self.released_at - sent_s) * 1e3


def measured(configured: Link, real: Link, chance: Random, late_ms: float | None = None) -> Case:
    """The measurements of a run whose link from endpoint to cloud is not the configured one.

    With ``late_ms``, the engine knows the delays that it chose, and packets arrive that much later.
    """
    back = replace(configured, src=configured.dst, dst=configured.src)
    case = Case(configured, back, "endpoint0", "cloud0", same_clock=True)
    interval_s = probe_interval_s(configured, back)
    count = min(CHECK.most_probes, int(CHECK.probing_s / interval_s))
    if late_ms is not None:
        count = CHECK.known_probes
    for _ in range(ATTEMPTS):
        if is_accepted(case, Tolerance()):
            break
        case.attempts += 1
        there, trips, late = [], [], []
        forth, home = Path(real, chance), Path(back, chance)
        for number in range(count):
            sent_s = number * interval_s
            there_ms = forth.delay_ms(sent_s)
            if there_ms is not None:
                late.append((late_ms or 0.0) + chance.expovariate(1 / HOST_MS))
                there.append(there_ms + late[-1])
                back_ms = home.delay_ms(sent_s + there_ms / 1e3)
                trips += [] if back_ms is None else [there[-1] + back_ms + chance.expovariate(1 / HOST_MS)]
        known = () if late_ms is None else tuple(late)
        case.probings.append(Probing(count, tuple(trips), tuple(there), known))
        case.offered += PACKETS
        if real.loss_percent:
            case.lost += sum(chance.random() * 100 < real.loss_percent for _ in range(PACKETS))
    return case


def share_found(configured: Link, real: Link, late_ms: float | None = None) -> float:
    """In which share of runs the link is out of tolerance."""
    chance = Random(11)
    errors = standard_errors(6)
    cases = [measured(configured, real, chance, late_ms) for _ in range(RUNS)]
    return sum(bool(delay_problems(case, Tolerance(), errors)) for case in cases) / RUNS


@pytest.mark.parametrize("link", [WIRELESS, NEAR, LOSSY, PLAIN, Link("a", "b", 10, 10), Link("a", "b")])
def test_a_link_as_configured_raises_no_alarm(link: Link) -> None:
    assert share_found(link, link) <= 0.01


@pytest.mark.parametrize(
    ("configured", "real"),
    [
        (WIRELESS, replace(WIRELESS, jitter_ms=0)),
        (NEAR, replace(NEAR, jitter_ms=0)),
        (PLAIN, replace(PLAIN, jitter_ms=3)),
        (WIRELESS, replace(WIRELESS, latency_ms=45 * 1.05)),
        (PLAIN, replace(PLAIN, latency_ms=10.5)),
        (LOSSY, replace(LOSSY, loss_percent=3)),
        (PLAIN, replace(PLAIN, loss_percent=1)),
    ],
)
def test_a_link_that_differs_is_found(configured: Link, real: Link) -> None:
    assert share_found(configured, real) >= 0.95


JITTERY = (WIRELESS, NEAR, Link("a", "b", 10, 10))


@pytest.mark.parametrize("link", JITTERY)
def test_with_known_delays_a_correct_link_is_accepted_by_its_first_measurement(link: Link) -> None:
    chance = Random(13)
    attempts = [measured(link, link, chance, late_ms=0.0).attempts for _ in range(RUNS)]
    assert attempts.count(1) / RUNS >= 0.98
    assert share_found(link, link, late_ms=0.0) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("link", JITTERY)
@pytest.mark.parametrize("sign", [1, -1])
def test_with_known_delays_a_small_difference_is_found_whatever_the_jitter(link: Link, sign: int) -> None:
    differs_ms = sign * max(0.05 * link.latency_ms, 0.5)
    assert share_found(link, link, differs_ms) >= 0.95


@pytest.mark.parametrize("link", [WIRELESS, NEAR])
def test_with_known_delays_a_jitter_that_is_missing_is_found(link: Link) -> None:
    assert share_found(link, replace(link, jitter_ms=0), late_ms=0.0) >= 0.95


def test_a_link_that_the_engine_applies_differently_is_out_of_tolerance() -> None:
    good = measured(WIRELESS, WIRELESS, Random(3), late_ms=0.0)
    assert judge([good], Tolerance(), applied=[WIRELESS]).ok
    report = judge([good], Tolerance(), applied=[replace(WIRELESS, latency_ms=45.1)])
    assert (report.ok, report.note) == (False, "the network engine applies latency_ms 45.1 instead of 45")
    assert judge([good], Tolerance(), applied=[]).note == "the network engine applies no link"


def test_a_bad_second_node_is_named() -> None:
    chance = Random(5)
    good = measured(PLAIN, PLAIN, chance)
    bad = measured(PLAIN, replace(PLAIN, latency_ms=13), chance)
    bad.src, bad.has_rate = "endpoint1", False
    report = judge([good, bad], Tolerance())
    assert report.ok is False
    assert report.note.startswith("endpoint1 -> cloud0: round trip 23.")
    assert report.measured["node_pairs"] == 2
    assert judge([good], Tolerance()).ok


def test_a_link_of_0_ms_is_as_fast_as_the_engine_is() -> None:
    none = Link("endpoint", "cloud")
    slow = judge([measured(none, replace(none, latency_ms=0.8), Random(5))], Tolerance())
    assert slow.ok
    assert slow.note.startswith("0 ms is as fast as the network engine is: 0.8")
    assert not judge([measured(none, replace(none, latency_ms=1.5), Random(5))], Tolerance()).ok


def test_every_attempt_is_kept() -> None:
    case = measured(PLAIN, replace(PLAIN, latency_ms=13), Random(5))
    assert len(judge([case], Tolerance()).measured["attempts_rtt_ms"]) == ATTEMPTS == case.attempts


@pytest.mark.parametrize(("nodes", "chosen"), [(1, 1), (2, 2), (3, 3), (9, 3), (10, 4), (100, 10)])
def test_some_nodes_of_a_tier_are_measured(nodes: int, chosen: int) -> None:
    found = sample(range(nodes))
    assert len(set(found)) == chosen
    assert found[0] == 0
