"""Student's t distribution, for any real number of degrees of freedom. Pure.

The distribution function is an incomplete beta function (NIST Digital Library of Mathematical Functions,
8.17; M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 26.7.1); the quantile is found by
bisection.
"""

from __future__ import annotations

import math
from functools import lru_cache

_TINY = 1e-300
_PRECISION = 1e-15
_MOST_TERMS = 10_000


def cdf(t: float, freedom: float) -> float:
    """Probability that a value of the distribution is at most ``t``."""
    tail = tail_probability(t, freedom) / 2
    return tail if t < 0 else 1 - tail


def tail_probability(t: float, freedom: float) -> float:
    """Probability that a value is at least as far from 0 as ``t``: the p-value of a two-sided test."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache(maxsize=4096)
def quantile(probability: float, freedom: float) -> float:
    """The value that is exceeded with probability ``1 - probability``.

    Raises:
        ValueError: the probability is not between 0 and 1, or there are no degrees of freedom.
    """
    if not 0 < probability < 1 or freedom <= 0:
        raise ValueError(f"no quantile {probability} for {freedom} degrees of freedom")
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while cdf(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction, by Lentz's method (W. J. Lentz, Applied Optics 15, 1976)."""
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _apart(1 + term * d)
            c = _apart(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _apart(value: float) -> float:
    """The value, kept apart from 0."""
    return value if abs(value) > _TINY else _TINY
