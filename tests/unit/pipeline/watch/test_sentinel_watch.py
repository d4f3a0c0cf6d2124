"""Delays of sentinel probes, compared with what the engine intended."""

import pytest

from continuum.network.sentinels.sentinels import Probe
from continuum.options.tolerance import Tolerance
from continuum.pipeline.watch.sentinel_watch import SentinelWatch, is_too_many


def probes(count: int, *, late: int = 0, intended_ms: float = 10.0, by_ms: float = 5.0) -> list[Probe]:
    """Probes from 100 s on; the last ones take longer than intended."""
    return [
        Probe(
            "edge",
            "cloud",
            100 + 0.1 * number,
            intended_ms + (by_ms if number >= count - late else 0.1),
            intended_ms,
        )
        for number in range(count)
    ]


def watched(found: list[Probe]) -> SentinelWatch:
    watch = SentinelWatch(Tolerance(2.0, 1.0, 2.0))
    watch.note(found[:3], 100.0)
    watch.note(found[3:], 100.0)
    return watch


@pytest.mark.parametrize(("count", "late"), [(200, 0), (20, 1), (300, 3), (30, 3)])
def test_one_percent_of_the_probes_may_be_late(count: int, late: int) -> None:
    watch = watched(probes(count, late=late))
    assert watch.disturbances == []
    (delay,) = watch.delays()
    assert (delay.probes, delay.late) == (count, late)


def test_more_are_a_disturbance_at_the_time_of_the_worst() -> None:
    (found,) = watched([*probes(200, late=20), Probe("edge", "cloud", 130.0, 19.0, 10.0)]).disturbances
    assert (found.kind, found.at_s) == ("delay", pytest.approx(30.0))
    assert found.what == (
        "the delay of 21 of 201 sentinel probes edge -> cloud was not as configured, but up to 9.0 ms more"
    )


def test_long_delays_tolerate_their_share() -> None:
    assert watched(probes(100, late=50, intended_ms=200, by_ms=3.9)).disturbances == []
    assert watched(probes(100, late=50, intended_ms=200, by_ms=4.1)).disturbances


def test_packets_that_are_too_fast_are_off_as_well() -> None:
    assert watched(probes(100, late=50, by_ms=-2)).disturbances


@pytest.mark.parametrize(
    ("late", "count", "too_many"),
    # Tails of the binomial distribution with p = 0.01, for n = 30: P(X >= 3) = 3.3e-3, P(X >= 4) = 2.2e-4;
    # for n = 1,000: P(X >= 21) = 1.5e-3, P(X >= 22) = 6.5e-4.
    [
        *((0, 0, False), (3, 30, False), (4, 30, True)),
        *((21, 1000, False), (22, 1000, True)),
        *((240, 20_000, False), (247, 20_000, True), (540, 50_000, False), (570, 50_000, True)),
    ],
)
def test_chance_is_not_too_many(late: int, count: int, too_many: bool) -> None:
    assert is_too_many(late, count) is too_many
