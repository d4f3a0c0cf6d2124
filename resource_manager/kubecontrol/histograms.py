"""Latency histograms that parts of Kubernetes expose as metrics. Pure.

The format is Prometheus' text exposition. A percentile of a histogram is interpolated linearly within its
bucket, as Prometheus' ``histogram_quantile`` does: an estimate, as good as the buckets are narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from continuum.measure.statistics import is_supported

Labels = tuple[tuple[str, str], ...]
_KINDS = ("bucket", "sum", "count")


@dataclass(frozen=True)
class Histogram:
    """Counts of observations by their size, in seconds.

    Attributes:
        below: by upper bound, the number of observations up to it.
        sum_s: of all observations.
        count: number of observations.
    """

    below: Mapping[float, float] = field(default_factory=dict)
    sum_s: float = 0.0
    count: float = 0.0

    def __add__(self, other: Histogram) -> Histogram:
        return self._with(other, 1)

    def __sub__(self, other: Histogram) -> Histogram:
        """The observations since another, earlier reading of the same histogram."""
        return self._with(other, -1)

    def _with(self, other: Histogram, sign: int) -> Histogram:
        bounds = sorted({*self.below, *other.below})
        below = {bound: self.below.get(bound, 0) + sign * other.below.get(bound, 0) for bound in bounds}
        return Histogram(below, self.sum_s + sign * other.sum_s, self.count + sign * other.count)

    @property
    def mean_s(self) -> float | None:
        """Mean of all observations, which is exact; None without any."""
        return self.sum_s / self.count if self.count > 0 else None

    def quantile_s(self, permille: int) -> float | None:
        """A percentile, in thousandths, estimated; None where there are too few observations.

        Above the last finite bound, that bound is returned.
        """
        if not is_supported(round(self.count), permille):
            return None
        rank, low, under = self.count * permille / 1000, 0.0, 0.0
        for bound, there in sorted(self.below.items()):
            if there >= rank and there > under:
                width = (bound - low) * (rank - under) / (there - under)
                return (low or None) if math.isinf(bound) else low + width
            low, under = bound, there
        return None


def read(text: str, names: Iterable[str]) -> dict[str, dict[Labels, Histogram]]:
    """Histograms among metrics: by name, then by their labels in alphabetical order.

    Args:
        text: the metrics of one part of Kubernetes.
        names: of the histograms that are wanted.

    Raises:
        ValueError: the text is not in Prometheus' format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[Labels, _Growing]] = {name: {} for name in names}
    beginnings = tuple(found)  # of megabytes of metrics only these lines are parsed
    wanted = "".join(f"{line}\n" for line in text.splitlines() if line.startswith(beginnings))
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            name, _, kind = sample.name.rpartition("_")
            if name in found and kind in _KINDS:
                labels = tuple(sorted(pair for pair in sample.labels.items() if pair[0] != "le"))
                one = found[name].setdefault(labels, _Growing())
                one.take(kind, sample.labels.get("le", ""), float(sample.value))
    return {name: {labels: one.made() for labels, one in series.items()} for name, series in found.items()}


@dataclass
class _Growing:
    """A histogram while its samples are read."""

    below: dict[float, float] = field(default_factory=dict)
    sum_s: float = 0.0
    count: float = 0.0

    def take(self, kind: str, bound: str, value: float) -> None:
        if kind == "bucket":
            self.below[float(bound)] = value
        elif kind == "sum":
            self.sum_s = value
        else:
            self.count = value

    def made(self) -> Histogram:
        return Histogram(self.below, self.sum_s, self.count)


def since(
    before: Mapping[Labels, Histogram], after: Mapping[Labels, Histogram]
) -> Iterator[tuple[dict[str, str], Histogram]]:
    """The observations between two readings, by labels; series without any are left out."""
    for labels, histogram in after.items():
        fresh = histogram - before.get(labels, Histogram())
        if fresh.count > 0:
            yield dict(labels), fresh
