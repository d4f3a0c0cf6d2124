"""What a link lets one measure, and what chance explains."""

from random import Random
from statistics import mean, pstdev

import pytest

from continuum.model.topology import Link
from continuum.network.fabric.shape import from_link
from continuum.network.link_model import (
    Moments,
    centre,
    correlation_ms,
    delay_problem,
    loss_problem,
    median,
    one_way,
    queue_bytes,
    throughput_problem,
)
from continuum.options.tolerance import Tolerance


@pytest.mark.parametrize(("latency_ms", "jitter_ms"), [(45, 5), (7.5, 2.5), (5, 5), (0, 3), (1, 10)])
def test_moments_are_those_of_the_delays_drawn(latency_ms: float, jitter_ms: float) -> None:
    link, chance = Link("a", "b", latency_ms, jitter_ms), Random(3)
    shape = from_link(vars(link))
    drawn = [1e3 * shape.delay_for(chance.gauss(0, 1)) for _ in range(40_000)]
    moments = one_way(link, 69)
    assert moments.mean_ms == pytest.approx(mean(drawn), rel=0.02)
    assert moments.deviation_ms == pytest.approx(pstdev(drawn), rel=0.02)


def test_delays_are_independent_after_three_deviations_unless_the_link_says_otherwise() -> None:
    assert correlation_ms(Link("a", "b", 45, 5)) == 15
    assert correlation_ms(Link("a", "b", 45, 5, jitter_correlation_ms=40)) == 40
    assert correlation_ms(Link("a", "b", 45, jitter_correlation_ms=40)) == 0


def test_the_queue_is_that_of_the_fabric_unless_given() -> None:
    assert queue_bytes(Link("a", "b", 45, bandwidth_mbit=8)) == 1.5 * 1e6 * 0.09
    assert queue_bytes(Link("a", "b", 45, bandwidth_mbit=8, queue_bytes=9000)) == 9000
    assert queue_bytes(Link("a", "b", 45, queue_bytes=9000)) is None


def test_transmission_takes_its_time() -> None:
    assert one_way(Link("a", "b", 10, bandwidth_mbit=1), 125).mean_ms == pytest.approx(11)


def test_round_trip_adds_up() -> None:
    assert Moments(10, 3).plus(Moments(20, 4)) == Moments(30, 5)


def test_centre_ignores_hiccups_of_the_host_unless_the_tail_is_the_links() -> None:
    samples = [10.0] * 99 + [1000.0]
    assert centre(samples, Moments(10, 1)) == 10
    assert centre(samples, Moments(10, 8)) == pytest.approx(19.9)
    assert median([3, 1, 2, 10]) == 2.5


TOLERANCE = Tolerance()


@pytest.mark.parametrize(
    ("found_ms", "expected", "fits"),
    [
        (20.39, Moments(20, 0), True),  # 2 %
        (20.41, Moments(20, 0), False),
        (2.29, Moments(2, 0), True),  # 0.3 ms
        (2.31, Moments(2, 0), False),
        (19.59, Moments(20, 0), False),
        (91.7 + 1.4, Moments(90, 5), True),  # 3 standard errors of 100 samples: 1.5 ms
        (91.9 + 1.5, Moments(90, 5), False),
    ],
)
def test_delay_tolerance(found_ms: float, expected: Moments, fits: bool) -> None:
    problem = delay_problem("round trip", [found_ms] * 100, expected, TOLERANCE)
    assert (problem == "") == fits
    if not fits:
        assert f"round trip {found_ms:.2f} ms instead of" in problem


@pytest.mark.parametrize(
    ("loss_percent", "sent", "arrived", "fits"),
    [
        (0, 100, 100, True),
        (0, 100, 99, True),
        (0, 100, 98, False),
        (10, 100, 90, True),
        (10, 100, 82, True),
        (10, 100, 75, False),
        (10, 100, 100, True),
        (50, 100, 100, False),
        (100, 100, 0, True),
        (100, 100, 1, False),
    ],
)
def test_loss_allows_for_chance(loss_percent: float, sent: int, arrived: int, fits: bool) -> None:
    assert (loss_problem(Link("a", "b", loss_percent=loss_percent), sent, arrived) == "") == fits


def test_throughput_tolerance() -> None:
    link = Link("a", "b", bandwidth_mbit=10)
    assert throughput_problem(link, 9.51, 100, TOLERANCE) == ""
    assert "9.49 Mbit/s instead of 10.00" in throughput_problem(link, 9.49, 100, TOLERANCE)
    assert "10.51" in throughput_problem(link, 10.51, 100, TOLERANCE)
    assert throughput_problem(Link("a", "b"), 3, 100, TOLERANCE) == ""


def test_what_loss_takes_is_not_missed() -> None:
    link = Link("a", "b", bandwidth_mbit=10, loss_percent=20)
    assert throughput_problem(link, 8.0, 400, TOLERANCE) == ""
    assert throughput_problem(link, 10.0, 400, TOLERANCE)
