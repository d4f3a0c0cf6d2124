"""Readings of long runs."""

from continuum.model.fidelity import Reading
from continuum.pipeline.watch.thinning import thin


def test_a_short_run_keeps_all() -> None:
    readings = [Reading(0.5 * number, 1.0, None, 0.0, 1) for number in range(10)]
    assert thin(readings, 10) == tuple(readings)
    assert thin([]) == ()


def test_a_long_run_keeps_the_largest_of_each_group() -> None:
    readings = [Reading(float(number), float(number % 7), None, 0.0, number) for number in range(100)]
    kept = thin(readings, 10)
    assert len(kept) == 10
    assert kept[0] == Reading(9.0, 6.0, None, 0.0, 9)
    assert kept[-1].at_s == 99.0
