"""Summary statistics: the mean with its confidence interval, and supported percentiles. Pure.

Intervals are those of ``continuum.measure.intervals``, which allow for samples that depend on each other.

**Percentiles** interpolate linearly between order statistics (definition 7 of R. J. Hyndman and Y. Fan,
"Sample Quantiles in Statistical Packages", The American Statistician 50, 1996), as numpy, pandas, R and
spreadsheets do. They are never averaged. Samples may be infinite: a request without an answer is infinitely
late, and percentiles count it, while the mean does not.

A percentile requires so many samples that, with a probability of 99 %, at least two of them are beyond it, as
in the early stopping of MLPerf (V. J. Reddi et al., "MLPerf Inference Benchmark", ISCA 2020, and its rules,
"Early Stopping"): p90 requires 64 samples, p95 130, p99 662, p99.9 6,636. Otherwise it is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

from continuum.model.summary import Summary

PERMILLE = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles in thousandths; integers, so that rounding does not affect what is supported."""

DOUBT = 0.01
"""Probability that fewer than two samples are beyond a supported percentile."""


def summarise(samples: Sequence[float], clock_error: float = 0.0) -> Summary:
    """Summarise samples, given in the order of their intended times; infinity for those without an end."""
    if not len(samples):
        return Summary(clock_error=clock_error)
    # Importing numpy is slow, and not every command summarises something.
    from continuum.measure import intervals

    ordered, finite = sorted(samples), [sample for sample in samples if sample != math.inf]
    values = {name: percentile(ordered, permille) for name, permille in PERMILLE.items()}
    error = intervals.of_mean(finite)
    ranges = {
        name: intervals.of_percentile(samples, ordered, PERMILLE[name], value)
        for name, value in values.items()
        if value is not None
    }
    reasons = {name: _reason(ordered, PERMILLE[name]) for name, value in values.items() if value is None}
    return Summary(
        count=len(finite),
        mean=fmean(finite) if finite else None,
        ci95=error.half_width,
        max=float(max(finite)) if finite else None,
        clock_error=clock_error,
        effective=error.effective,
        intervals={name: found for name, found in ranges.items() if found is not None},
        reasons={**({"ci95": error.reason} if error.reason else {}), **reasons},
        **values,
    )


def is_supported(count: int, permille: int) -> bool:
    """Whether ``count`` samples support a percentile; the median is always supported."""
    return count > 0 and (permille <= 500 or count >= least_count(permille))


@lru_cache
def least_count(permille: int) -> int:
    """Least number of samples for a percentile above the median, in thousandths."""
    below = permille / 1000
    count = 1
    while below**count + count * (1 - below) * below ** (count - 1) > DOUBT:
        count += 1
    return count


def percentile(ordered: Sequence[float], permille: int) -> float | None:
    """A percentile, in thousandths, of samples in ascending order; None if unsupported or infinite."""
    if not is_supported(len(ordered), permille):
        return None
    whole, rest = divmod((len(ordered) - 1) * permille, 1000)
    low, high = ordered[whole], ordered[whole + 1 if rest else whole]
    return float(low + (high - low) * rest / 1000) if math.isfinite(high) else None


def _reason(ordered: Sequence[float], permille: int) -> str:
    """Why a percentile of these samples is None."""
    if not is_supported(len(ordered), permille):
        return f"requires {least_count(permille)} samples"
    share = 100 * sum(sample == math.inf for sample in ordered) / len(ordered)
    return f"{share:.1f} % of requests were lost or failed, which count as infinitely late"
