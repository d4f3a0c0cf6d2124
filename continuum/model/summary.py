"""Summary statistics of a set of samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Summary statistics, in the unit of the samples.

    Attributes:
        count: number of samples.
        mean: their mean; None without samples.
        ci95: half the width of the 95 % confidence interval of the mean; None below two samples.
        p50: median; like every percentile None if the samples do not support it.
        p90: 90th percentile.
        p95: 95th percentile.
        p99: 99th percentile.
        p999: 99.9th percentile.
        max: largest sample.
        clock_error: largest error of one sample due to clock offsets; 0 with a single clock.
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
