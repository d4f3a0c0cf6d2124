"""Intervals hold what they promise: simulated series whose true mean and percentiles are known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from continuum.measure import intervals

Series = npt.NDArray[np.float64]


def waiting_line(load: float, count: int, runs: int, seed: int, skipped: int = 0) -> Series:
    """Time in an M/M/1 queue of successive customers, a column per run; the mean service takes 1.

    Without skipped customers, the first one finds the queue as it is in the long run.
    """
    rng = np.random.default_rng(seed)
    waits = np.zeros(runs)
    if not skipped:
        waits = np.where(rng.random(runs) < load, rng.exponential(1 / (1 - load), runs), 0.0)
    times = np.empty((skipped + count, runs))
    for row in times:
        service, gap = rng.exponential(1, runs), rng.exponential(1 / load, runs)
        row[:] = waits + service
        waits = np.maximum(0.0, waits + service - gap)
    return times[skipped:]


def autoregressive(correlation: float, count: int, runs: int) -> Series:
    """Series with mean 100 and standard deviation 1, a column per run."""
    rng = np.random.default_rng(7)
    rows = np.empty((count, runs))
    value = rng.normal(0, 1, runs)
    for row in rows:
        row[:] = 100 + value
        value = correlation * value + rng.normal(0, math.sqrt(1 - correlation**2), runs)
    return rows


def coverage(series: Series, mean: float) -> tuple[float, float]:
    """Share of runs with an interval, and of these the share whose interval holds the mean."""
    found = [(run.mean(), intervals.of_mean(run)) for run in series.T]
    given = [
        abs(middle - mean) <= error.half_width for middle, error in found if error.half_width is not None
    ]
    return len(given) / len(found), sum(given) / len(given)


@pytest.mark.parametrize(("count", "skipped"), [(1500, 0), (1500, 300), (4000, 0)])
def test_nine_of_ten_intervals_hold_the_mean_of_a_busy_queue(count, skipped):
    given, held = coverage(waiting_line(0.8, count, 500, seed=1, skipped=skipped), mean=5.0)
    assert held >= 0.9
    assert given >= 0.95


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_less_busy_queues_are_covered_too(load):
    assert coverage(waiting_line(load, 1500, 300, seed=2), 1 / (1 - load))[1] >= 0.9


@pytest.mark.parametrize(("correlation", "count"), [(0.0, 30), (0.0, 400), (0.6, 400), (-0.5, 400)])
def test_intervals_of_correlated_samples_hold_their_mean(correlation, count):
    given, held = coverage(autoregressive(correlation, count, 400), 100.0)
    assert held >= 0.92
    assert given >= 0.95


def test_independent_samples_lose_little_to_the_batches():
    widths = [intervals.of_mean(run).half_width for run in autoregressive(0.0, 400, 200).T]
    assert 1.0 <= np.median(widths) / (1.966 / math.sqrt(400)) < 1.35


def test_effective_samples_of_a_correlated_series():
    # n (1 - r) / (1 + r) for a first-order autoregressive series.
    effective = [intervals.of_mean(run).effective for run in autoregressive(0.6, 4000, 100).T]
    assert np.median(effective) == pytest.approx(1000, rel=0.25)
    alone = [intervals.of_mean(run).effective for run in autoregressive(0.0, 4000, 50).T]
    assert np.median(alone) > 2500


def test_a_growing_queue_has_no_interval_but_a_reason():
    growing = [10 + index / 7 + (index % 5) for index in range(1000)]
    found = intervals.of_mean(growing)
    assert (found.half_width, found.effective) == (None, None)
    assert found.reason == intervals.REASON
    assert intervals.of_percentile(growing, sorted(growing), 500, 80.0) is None


def test_few_samples_are_treated_as_independent():
    # s = 1, t(2) = 4.3027
    assert intervals.of_mean([1.0, 2.0, 3.0]).half_width == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert intervals.of_mean([1.0]).reason == "requires 2 samples"
    assert intervals.of_mean([]).half_width is None


def test_equal_samples_have_no_error():
    found = intervals.of_mean([0.1] * 500)
    assert found.half_width == pytest.approx(0.0, abs=1e-12)
    assert found.effective == 500


@pytest.mark.parametrize(
    ("count", "permille", "ranks"),
    # Ranks of the order statistics by the binomial distribution: n = 100, q = 0.5 is in textbooks; the others
    # are its quantiles (R: qbinom).
    [(100, 500, (40, 61)), (64, 900, (53, 63)), (662, 990, (650, 661)), (10, 500, (2, 9))],
)
def test_order_statistics_of_independent_samples(count, permille, ranks, monkeypatch):
    monkeypatch.setattr(intervals, "FEW", 10_000)
    ordered = [float(index + 1) for index in range(count)]
    middle = 1 + (count - 1) * permille / 1000
    assert intervals.of_percentile(ordered, ordered, permille, middle) == ranks


def test_an_end_beyond_the_samples_is_unknown():
    ordered = [float(index) for index in range(12)]
    assert intervals.of_percentile(ordered, ordered, 900, 9.9)[1] is None
    assert intervals.of_percentile(ordered[:3], ordered[:3], 500, 1.0) == (None, None)


@pytest.mark.parametrize(("permille", "count"), [(500, 200), (900, 200), (990, 700)])
def test_intervals_of_percentiles_hold_the_true_one(permille, count):
    rng = np.random.default_rng(permille)
    truth, held = math.log(1000 / (1000 - permille)), 0
    for _ in range(300):
        samples = rng.exponential(1, count)
        ordered = sorted(samples)
        low, high = intervals.of_percentile(
            samples, ordered, permille, float(np.quantile(samples, permille / 1000))
        )
        held += (low is None or low <= truth) and (high is None or truth <= high)
    assert held / 300 >= 0.93


def test_interval_of_the_median_allows_for_the_queue():
    series = waiting_line(0.8, 1500, 300, seed=4)
    truth, held, given = 5 * math.log(2), 0, 0
    for run in series.T:
        found = intervals.of_percentile(run, sorted(run), 500, float(np.median(run)))
        if found is not None:
            given += 1
            held += (found[0] or 0.0) <= truth <= (found[1] or math.inf)
    assert held / given >= 0.9
