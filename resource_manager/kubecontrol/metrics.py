"""Latencies that a part of Kubernetes keeps itself, as histograms of its metrics. Pure.

The form is that of Prometheus' text exposition. A percentile of a histogram is interpolated linearly
within its bucket, as Prometheus' ``histogram_quantile`` does it: an estimate, as good as buckets are narrow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from continuum.measure.statistics import is_supported

_LINE = re.compile(r"(?P<name>\w+?)_(?P<kind>bucket|sum|count)\{(?P<labels>.*)\} (?P<value>\S+)$")
_BARE = re.compile(r"(?P<name>\w+?)_(?P<kind>sum|count)(?P<labels>) (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Histogram:
    """How many observations were how large at most, in seconds.

    Attributes:
        below: by upper bound, how many observations there were up to it.
        sum_s: of all observations.
        count: how many there were.
    """

    below: Mapping[float, float] = field(default_factory=dict)
    sum_s: float = 0.0
    count: float = 0.0

    def __add__(self, other: Histogram) -> Histogram:
        return self._with(other, 1)

    def __sub__(self, other: Histogram) -> Histogram:
        """What was observed since another, earlier reading of the same."""
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

        Beyond the last finite bound nothing is known but that bound, which is given then.
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
        text: as a part exposes it.
        names: of the histograms that are wanted.
    """
    wanted: dict[str, dict[Labels, _Growing]] = {name: {} for name in names}
    beginnings = tuple(wanted)
    for line in text.splitlines():
        match = (_LINE.match(line) or _BARE.match(line)) if line.startswith(beginnings) else None
        if match and match["name"] in wanted:
            labels = dict(_LABEL.findall(match["labels"]))
            bound = labels.pop("le", "")
            series = wanted[match["name"]].setdefault(tuple(sorted(labels.items())), _Growing())
            series.take(match["kind"], bound, float(match["value"]))
    return {name: {labels: one.made() for labels, one in found.items()} for name, found in wanted.items()}


@dataclass
class _Growing:
    """A histogram of which not all lines have come yet."""

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
    """What was observed between two readings, by labels; series without any observation are left out."""
    for labels, histogram in after.items():
        fresh = histogram - before.get(labels, Histogram())
        if fresh.count > 0:
            yield dict(labels), fresh
