"""Summary statistics: the mean with its confidence interval, and supported percentiles. Pure.

**Confidence interval of the mean.** Latencies of one run are correlated: a request that waits delays the next
one. An interval that treats them as independent is too narrow. Therefore the samples, in the order of their
intended times, are also grouped into batches whose means are nearly independent (method of batch means;
A. M. Law, "Simulation Modeling and Analysis", ch. 9; between 10 and 30 batches as in B. Schmeiser, Operations
Research 30, 1982). The result is the wider of Student's intervals over the samples and over the batch means;
below 50 samples, the interval over the samples.

**Percentiles** interpolate linearly between order statistics (definition 7 of R. J. Hyndman and Y. Fan,
"Sample Quantiles in Statistical Packages", The American Statistician 50, 1996), as numpy, pandas, R and
spreadsheets do. A percentile requires that at least one sample is expected beyond it, n (1 - q) >= 1: p90
requires 10 samples, p99 100, p99.9 1,000. Otherwise it is None. Percentiles are never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist, fmean

from continuum.model.summary import Summary

PERMILLE = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles in thousandths; integers, so that rounding does not affect what is supported."""

_STUDENT_975 = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
"""97.5 % quantile of Student's t for 1 to 9 degrees of freedom (any statistical table)."""


def summarise(samples: Sequence[float], clock_error: float = 0.0) -> Summary:
    """Summarise samples, given in the order of their intended times."""
    if not len(samples):
        return Summary(clock_error=clock_error)
    ordered = sorted(samples)
    return Summary(
        count=len(ordered),
        mean=fmean(ordered),
        ci95=half_width_95(samples),
        max=float(ordered[-1]),
        clock_error=clock_error,
        **{name: percentile(ordered, permille) for name, permille in PERMILLE.items()},
    )


def is_supported(count: int, permille: int) -> bool:
    """Whether ``count`` samples support a percentile; the median is always supported."""
    return count > 0 and (permille <= 500 or count * (1000 - permille) >= 1000)


def percentile(ordered: Sequence[float], permille: int) -> float | None:
    """A percentile, in thousandths, of samples in ascending order; None if unsupported."""
    if not is_supported(len(ordered), permille):
        return None
    whole, rest = divmod((len(ordered) - 1) * permille, 1000)
    low, high = ordered[whole], ordered[min(whole + 1, len(ordered) - 1)]
    return float(low + (high - low) * rest / 1000)


def half_width_95(samples: Sequence[float]) -> float | None:
    """Half the width of the 95 % confidence interval of the mean; None below two samples."""
    if len(samples) < 2:
        return None
    return max(_half_width(samples), _half_width(batch_means(samples)))


def batch_means(samples: Sequence[float]) -> Sequence[float]:
    """Means of 10 or 20 successive batches of equal size, give or take one; below 50 the samples."""
    count = len(samples)
    batches = 20 if count >= 200 else 10 if count >= 50 else count
    if batches == count:
        return samples
    edges = [index * count // batches for index in range(batches + 1)]
    return [fmean(samples[low:high]) for low, high in pairwise(edges)]


def student_975(freedom: int) -> float:
    """97.5 % quantile of Student's t.

    From 10 degrees of freedom on, by Cornish-Fisher expansion around the normal quantile (M. Abramowitz
    and I. A. Stegun, "Handbook of Mathematical Functions", 26.7.5), good to 0.0002.
    """
    if freedom <= len(_STUDENT_975):
        return _STUDENT_975[freedom - 1]
    x = NormalDist().inv_cdf(0.975)
    terms = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def _half_width(samples: Sequence[float]) -> float:
    # statistics.stdev uses fractions, which takes seconds for the samples of a long run.
    mean, freedom = fmean(samples), len(samples) - 1
    variance = math.fsum((sample - mean) ** 2 for sample in samples) / freedom
    return student_975(freedom) * math.sqrt(variance / len(samples))
