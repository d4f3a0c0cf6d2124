"""Student's t against published tables and closed forms."""

from __future__ import annotations

import math

import pytest

from continuum.measure import student


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    # Values of a statistical table.
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 5, 2.5706),
        (0.975, 10, 2.2281),
        (0.975, 30, 2.0423),
        (0.975, 120, 1.9799),
        (0.95, 8, 1.8595),
        (0.995, 8, 3.3554),
        (0.8, 8, 0.8889),
        (0.025, 9, -2.2622),
        (0.5, 3, 0.0),
    ],
)
def test_quantiles_of_a_table(probability, freedom, quantile):
    assert student.quantile(probability, freedom) == pytest.approx(quantile, abs=5e-5)


@pytest.mark.parametrize("t", [-20.0, -1.5, 0.0, 0.3, 4.0, 1e6])
def test_one_and_two_degrees_of_freedom_have_closed_forms(t):
    assert student.cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-12)
    assert student.cdf(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-12)


@pytest.mark.parametrize("freedom", [1.3, 4.7, 19.0, 5000.0])
def test_quantile_inverts_the_distribution(freedom):
    for probability in (0.01, 0.2, 0.6, 0.975, 0.9999):
        assert student.cdf(student.quantile(probability, freedom), freedom) == pytest.approx(probability)


def test_many_degrees_of_freedom_are_nearly_normal():
    assert student.quantile(0.975, 1e6) == pytest.approx(1.959966, abs=1e-5)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 5), (1.0, 5), (0.9, 0)])
def test_impossible_quantiles(probability, freedom):
    with pytest.raises(ValueError, match="no quantile"):
        student.quantile(probability, freedom)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 3), (0.5, 0.5), (40, 2)])
def test_incomplete_beta_is_a_distribution_with_a_mirror(a, b):
    values = [student.incomplete_beta(a, b, place / 20) for place in range(21)]
    assert (values[0], values[-1]) == (0, 1)
    assert values == sorted(values)
    assert values[7] == pytest.approx(1 - student.incomplete_beta(b, a, 13 / 20))
