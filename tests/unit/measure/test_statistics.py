"""Means with honest errors, and only the percentiles that samples can support."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from continuum.measure.statistics import PERMILLE, least_count, percentile, summarise
from continuum.model.summary import Summary


@pytest.mark.parametrize("count", [1, 2, 7, 100, 999, 1234])
def test_percentiles_are_numpys(count):
    rng = random.Random(count)
    samples = sorted(rng.expovariate(1) for _ in range(count))
    for permille in PERMILLE.values():
        found = percentile(samples, permille)
        if found is not None:
            assert found == pytest.approx(float(np.quantile(samples, permille / 1000)), rel=1e-12)


@pytest.mark.parametrize(
    ("count", "supported"),
    [
        (0, ""),
        (1, "p50"),
        (63, "p50"),
        (64, "p50 p90"),
        (129, "p50 p90"),
        (130, "p50 p90 p95"),
        (661, "p50 p90 p95"),
        (662, "p50 p90 p95 p99"),
        (6635, "p50 p90 p95 p99"),
        (6636, "p50 p90 p95 p99 p999"),
    ],
)
def test_a_percentile_needs_samples_beyond_it(count, supported):
    rng = random.Random(count)
    summary = summarise([rng.expovariate(1) for _ in range(count)])
    assert " ".join(name for name in PERMILLE if getattr(summary, name) is not None) == supported
    missing = {name for name in PERMILLE if name not in supported.split()}
    if count:
        assert {name for name in summary.reasons if name in PERMILLE} == missing
        assert set(summary.intervals) == set(supported.split())
    if "p99" in missing and count:
        assert summary.reasons["p99"] == "requires 662 samples"


def test_least_samples_leave_two_beyond_the_percentile_in_99_of_100_cases():
    for permille in (900, 990):
        count, below = least_count(permille), permille / 1000
        fewer_than_two = [
            n for n in (count - 1, count) if below**n + n * (1 - below) * below ** (n - 1) > 0.01
        ]
        assert fewer_than_two == [count - 1]


def with_lost(completed: int, lost: int) -> list[float]:
    """Latencies 0, 1, 2 and so on, and lost requests, in random order."""
    samples = [*[float(value) for value in range(completed)], *[math.inf] * lost]
    random.Random(1).shuffle(samples)
    return samples


def test_lost_requests_are_infinitely_late():
    summary = summarise(with_lost(95, 5))
    assert (summary.count, summary.mean, summary.max) == (95, 47.0, 94.0)
    assert summary.p90 == pytest.approx(89.1)
    more = summarise(with_lost(85, 15))
    assert more.p50 == 49.5
    assert more.p90 is None
    assert more.reasons["p90"] == "15.0 % of requests were lost or failed, which count as infinitely late"
    assert more.intervals["p50"][1] is not None
    # The median is known, but may be late without end.
    half = summarise(with_lost(55, 45))
    assert half.p50 == 49.5
    assert half.intervals["p50"][1] is None


def test_all_lost():
    summary = summarise([math.inf] * 70)
    assert (summary.count, summary.mean, summary.max, summary.p50, summary.p90) == (0, None, None, None, None)
    assert summary.reasons["p50"].startswith("100.0 % of requests were lost")


def test_one_beyond_the_finite_part_is_not_interpolated():
    # The median lies half-way between a finite latency and none.
    assert percentile([1.0, math.inf], 500) is None
    assert percentile([1.0, 2.0, math.inf], 500) == 2.0


def test_summary_of_few_samples_by_hand():
    summary = summarise([3.0, 1.0, 2.0, 4.0])
    assert (summary.count, summary.mean, summary.p50, summary.max) == (4, 2.5, 2.5, 4.0)
    # s = sqrt(5/3), t(3) = 3.1824
    assert summary.ci95 == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2)


def test_nothing_and_one():
    assert summarise([]) == Summary()
    one = summarise([5.0])
    assert (one.count, one.mean, one.ci95, one.p50, one.p90, one.max) == (1, 5.0, None, 5.0, None, 5.0)
    assert one.reasons["ci95"] == "requires 2 samples"


def test_equal_samples_have_no_width():
    summary = summarise([0.04] * 700)
    assert (summary.mean, summary.ci95, summary.p99) == (pytest.approx(0.04), pytest.approx(0.0), 0.04)
