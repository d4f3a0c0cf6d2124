"""The delays of a stream: their distribution at any packet rate, and their order."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from statistics import NormalDist, correlation, mean, pstdev

import pytest

from continuum.network.fabric.jitter import Jitter, truncated_delays
from continuum.network.fabric.shape import from_link
from continuum.network.fabric.state import Node
from continuum.network.fabric.switch import Switch

WIRELESS = {"latency_ms": 45, "jitter_ms": 5}
NEAR = {"latency_ms": 7.5, "jitter_ms": 2.5}
CORRELATION_S = 0.015


def jitter(seed: int = 1) -> Jitter:
    chance = Random(seed)
    return Jitter(lambda: chance.gauss(0, 1))


def delays_ms(link: dict[str, float], times: Iterable[float], seed: int = 1) -> list[float]:
    """The delays of packets that keep their order."""
    shape, process, released, found = from_link(link), jitter(seed), 0.0, []
    for time_s in times:
        drawn_s = shape.delay_for(process.at(time_s, shape.correlation_s))
        released = max(released, time_s + drawn_s)
        found.append((released - time_s) * 1e3)
    return found


def stream(per_second: float, seconds: float) -> list[float]:
    return [number / per_second for number in range(int(seconds * per_second))]


@pytest.mark.parametrize("link", [WIRELESS, NEAR])
@pytest.mark.parametrize(
    ("per_second", "seconds"), [(1, 10_000), (50, 200), (100, 200), (500, 200), (5000, 40)]
)
def test_the_distribution_is_the_configured_one_at_any_rate(
    link: dict[str, float], per_second: float, seconds: float
) -> None:
    """Several seeds, since values of a dense stream depend on each other."""
    found = [delay for seed in range(4) for delay in delays_ms(link, stream(per_second, seconds / 4), seed)]
    assert mean(found) == pytest.approx(link["latency_ms"], rel=0.01)
    assert pstdev(found) == pytest.approx(link["jitter_ms"], rel=0.05)


def test_bursts_of_random_length_have_it_too() -> None:
    chance, times, now = Random(7), [], 0.0
    for _ in range(20_000):
        now += chance.choice([0.0, 0.0002, 0.003, 0.1])
        times.append(now)
    found = delays_ms(WIRELESS, times)
    assert mean(found) == pytest.approx(45, rel=0.01)
    assert pstdev(found) == pytest.approx(5, rel=0.05)


def test_few_packets_of_a_stream_wait_for_the_one_before() -> None:
    shape, process, before, held = from_link(WIRELESS), jitter(), 0.0, 0
    times = stream(1000, 100)
    for time_s in times:
        arrival = time_s + shape.delay_for(process.at(time_s, shape.correlation_s))
        held += arrival < before
        before = max(arrival, before)
    assert held < 0.01 * len(times)


def test_packets_that_are_the_correlation_time_apart_are_independent() -> None:
    process = jitter()
    values = [process.at(number * 1.001 * CORRELATION_S, CORRELATION_S) for number in range(10_000)]
    assert abs(correlation(values[:-1], values[1:])) < 0.04


def test_packets_sent_together_share_their_delay_and_two_frames_do_not() -> None:
    frames = delays_ms(WIRELESS, [frame / 10 + packet / 1e5 for frame in range(2000) for packet in range(12)])
    firsts, lasts = frames[::12], frames[11::12]
    assert max(abs(first - last) for first, last in zip(firsts, lasts, strict=True)) < 0.2
    assert abs(correlation(firsts[:-1], firsts[1:])) < 0.08


def test_without_a_correlation_time_all_packets_are_independent() -> None:
    process = jitter()
    values = [process.at(now, 0.0) for now in (*stream(1000, 2), 1.0, 0.5)]  # a clock may be read late
    assert abs(correlation(values[:-1], values[1:])) < 0.08


def test_a_shorter_correlation_time_applies_at_once() -> None:
    process = jitter()
    for now in stream(100, 1):
        process.at(now, 1.0)
    later = [process.at(1 + now, 0.001) for now in stream(2000, 5)]
    assert pstdev(later) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(("delay_s", "jitter_s"), [(0.0, 0.003), (0.005, 0.005), (0.0075, 0.0025)])
def test_delays_are_quantiles_of_the_truncated_distribution(delay_s: float, jitter_s: float) -> None:
    normal, shape = (
        NormalDist(delay_s, jitter_s),
        from_link({"latency_ms": delay_s * 1e3, "jitter_ms": jitter_s * 1e3}),
    )
    below = normal.cdf(0.0)
    for value in (-6.0, -2.51, -1.0, 0.0, 0.013, 1.7, 4.0):
        found = shape.delay_for(value)
        assert found >= 0
        share = (normal.cdf(found) - below) / (1 - below)
        assert share == pytest.approx(NormalDist().cdf(value), abs=1e-4)
    assert shape.delay_for(9.0) == shape.truncated[-1]


def test_far_from_0_nothing_is_truncated() -> None:
    assert truncated_delays(0.045, 0.005) == ()


def drawn(seed: int, src: str, dst: str, *, is_busy: bool = False) -> list[float]:
    """Values that a switch draws between two nodes, with other traffic in between or not."""
    switch = Switch(seed)
    nodes = {name: Node(name, name, name[0].encode() * 4, -1) for name in ("cloud", "edge", "x")}
    for node in nodes.values():
        switch.attach(node)
    made = (switch._make_pair(nodes[a], nodes[b]) for a, b in ((src, dst), (src, "x")))
    pair, other = (switch._begin_jitter(one) for one in made)
    found = []
    for now in stream(500, 0.1):
        found.append(pair.at(now, CORRELATION_S))
        if is_busy:
            other.at(now, CORRELATION_S)
    return found


def test_every_ordered_pair_has_delays_of_its_own_that_the_seed_decides() -> None:
    assert drawn(1, "edge", "cloud") == drawn(1, "edge", "cloud", is_busy=True)
    assert drawn(1, "edge", "cloud") != drawn(2, "edge", "cloud")
    assert drawn(1, "edge", "cloud") != drawn(1, "cloud", "edge")
