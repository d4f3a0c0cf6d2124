"""Means with honest errors, and only the percentiles that samples can support."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from continuum.measure.statistics import (
    PERMILLE,
    batch_means,
    half_width_95,
    percentile,
    student_975,
    summarise,
)
from continuum.model.summary import Summary


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    # Values of a statistical table.
    [
        (1, 12.7062),
        (2, 4.3027),
        (5, 2.5706),
        (9, 2.2622),
        (10, 2.2281),
        (19, 2.0930),
        (30, 2.0423),
        (120, 1.9799),
    ],
)
def test_students_quantile(freedom, quantile):
    assert student_975(freedom) == pytest.approx(quantile, abs=2e-4)


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
        (9, "p50"),
        (10, "p50 p90"),
        (19, "p50 p90"),
        (20, "p50 p90 p95"),
        (50, "p50 p90 p95"),
        (99, "p50 p90 p95"),
        (100, "p50 p90 p95 p99"),
        (999, "p50 p90 p95 p99"),
        (1000, "p50 p90 p95 p99 p999"),
    ],
)
def test_a_percentile_needs_samples_beyond_it(count, supported):
    summary = summarise([float(index) for index in range(count)])
    assert " ".join(name for name in PERMILLE if getattr(summary, name) is not None) == supported


def test_summary_of_few_samples_by_hand():
    summary = summarise([3.0, 1.0, 2.0, 4.0])
    assert (summary.count, summary.mean, summary.p50, summary.max) == (4, 2.5, 2.5, 4.0)
    # s = sqrt(5/3), t(3) = 3.1824
    assert summary.ci95 == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2)


def test_nothing_and_one():
    assert summarise([]) == Summary()
    one = summarise([5.0])
    assert (one.count, one.mean, one.ci95, one.p50, one.p90, one.max) == (1, 5.0, None, 5.0, None, 5.0)


def test_equal_samples_have_no_width():
    summary = summarise([0.04] * 300)
    assert (summary.mean, summary.ci95, summary.p99) == (pytest.approx(0.04), pytest.approx(0.0), 0.04)


def test_batches_cover_all_samples_once():
    samples = [float(index) for index in range(207)]
    means = batch_means(samples)
    assert len(means) == 20
    assert list(means) == sorted(means)
    assert batch_means(samples[:49]) == samples[:49]
    assert len(batch_means(samples[:50])) == 10


def _covers(correlation: float, trials: int = 300) -> float:
    """How often the interval holds the true mean, 0, of a first-order autoregressive series."""
    rng = random.Random(11)
    hits = 0
    for _ in range(trials):
        value, samples = 0.0, []
        for _ in range(400):
            value = correlation * value + rng.gauss(0, 1)
            samples.append(value)
        hits += abs(summarise(samples).mean or 0.0) <= (half_width_95(samples) or 0.0)
    return hits / trials


def test_interval_holds_the_true_mean_of_independent_samples():
    assert 0.93 <= _covers(0.0) <= 1.0


def test_interval_allows_for_samples_that_follow_each_other():
    # Student's interval over the samples themselves would hold it in two of three trials.
    assert _covers(0.6) >= 0.9
