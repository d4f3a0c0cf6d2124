"""Summary statistics of a set of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Interval = tuple["float | None", "float | None"]
"""Low and high end of a confidence interval; None if the samples do not bound that end."""


@dataclass(frozen=True)
class Summary:
    """Summary statistics, in the unit of the samples.

    Attributes:
        count: number of samples, without those that are infinite (requests without an answer).
        mean: their mean; None without samples.
        ci95: half the width of the 95 % confidence interval of the mean; None if there is none.
        p50: median of all samples, infinite ones included; like every percentile None if it is infinite, or
            if the samples are too few.
        p90: 90th percentile.
        p95: 95th percentile.
        p99: 99th percentile.
        p999: 99.9th percentile.
        max: largest sample.
        clock_error: largest error of one sample due to clock offsets; 0 with a single clock.
        effective: number of independent samples whose mean would have the same error; None if unknown.
        intervals: the 95 % confidence interval of each percentile, by name, where there is one.
        reasons: why a value is None, by its name.
    """

    count: int = 0
    mean: float | None = None
    ci95: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    clock_error: float = 0.0
    effective: float | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
