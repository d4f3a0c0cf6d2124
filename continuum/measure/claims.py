"""Decides what the runs of two deployments show. Pure.

The unit of a claim is the run: requests of one run share its phases and the state of its host, so that their
number says nothing about how much runs differ. Each run contributes one value, such as its median latency.

- The logarithms of the values are compared, so that the difference is a ratio (A. Georges et al.,
  "Statistically Rigorous Java Performance Evaluation", OOPSLA 2007, on why runs are the unit).
- A difference must be shown by both Welch's t-test (B. L. Welch, Biometrika 34, 1947) and the exact
  permutation test (R. A. Fisher, "The Design of Experiments", 1935), that is, by the larger of both p-values.
- p-values of several stages or deployments are adjusted (S. Holm, Scandinavian Journal of Statistics 6,
  1979), so that the probability of any false difference among them is at most 5 %.
- "No difference" requires proof, too: two one-sided tests against a margin (D. J. Schuirmann, Journal of
  Pharmacokinetics and Biopharmaceutics 15, 1987). A difference that is certainly smaller than the margin is
  none, even if it is not chance.
- Otherwise nothing is decided, and the number of further runs that would probably decide it is estimated.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Literal, TypeVar

from continuum.measure import student

MIN_RUNS = 5
"""Least number of runs of each: with four, p is at least 0.029, too much for several stages."""

LEVEL = 0.05
"""Largest p-value of a claim."""

MARGIN = 0.05
"""Ratios within 1 / (1 + margin) and 1 + margin count as no difference."""

POWER = 0.8
"""Probability that the estimated number of further runs decides."""

_MOST_PERMUTATIONS = 50_000
_MOST_RUNS = 1000

Verdict = Literal["faster", "slower", "no_difference", "undecided"]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Ratio:
    """The second deployment's values divided by the first's.

    Attributes:
        value: ratio of the geometric means.
        low: lower end of its 95 % confidence interval; None if there are too few runs.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Claim:
    """What the runs of two deployments show about the second.

    Attributes:
        verdict: ``faster`` or ``slower`` than the first, ``no_difference`` beyond the margin, ``undecided``.
        runs: number of runs of the first and the second deployment.
        ratio: second divided by first; None if a value is zero or negative.
        p: p-value of the difference, adjusted; None if it cannot be tested.
        more_runs: further runs of each deployment that would probably decide; None if decided or unknown.
        reason: why the difference cannot be tested; empty if it was.
    """

    verdict: Verdict
    runs: tuple[int, int]
    ratio: Ratio | None = None
    p: float | None = None
    more_runs: int | None = None
    reason: str = ""


def claims(
    pairs: Mapping[Key, tuple[Sequence[float], Sequence[float]]], margin: float = MARGIN
) -> dict[Key, Claim]:
    """Claims about several pairs of deployments or stages, which are adjusted for their number.

    Args:
        pairs: the values of the runs of the first and of the second deployment.
        margin: ratios that differ from 1 by less count as no difference.
    """
    tested = {key: _Logs.of(*pair) for key, pair in pairs.items() if not _obstacle(*pair)}
    different = holm({key: logs.p_different() for key, logs in tested.items()})
    same = holm({key: logs.p_same(margin) for key, logs in tested.items()})
    return {
        key: _decide(tested[key], different[key], same[key], margin) if key in tested else _untested(*pair)
        for key, pair in pairs.items()
    }


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """p-values adjusted for their number by Holm's method."""
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[key] = largest
    return adjusted


def permutation_p(first: Sequence[float], second: Sequence[float]) -> float:
    """p-value of the two-sided permutation test of the difference of means.

    Exact up to 50,000 permutations; beyond, as many random ones, with the estimate of B. Phipson and G. K.
    Smyth (Statistical Applications in Genetics and Molecular Biology 9, 2010), which is never zero.
    """
    values = [*first, *second]
    total, ours = math.fsum(values), len(first)
    least = abs(fmean(second) - fmean(first)) * (1 - 1e-9) - 1e-12

    def is_as_far(chosen: Sequence[float]) -> bool:
        part = sum(chosen)
        return abs((total - part) / len(second) - part / ours) >= least

    if (count := math.comb(len(values), ours)) <= _MOST_PERMUTATIONS:
        return sum(map(is_as_far, combinations(values, ours))) / count
    return (1 + sum(map(is_as_far, _random_parts(values, ours)))) / (1 + _MOST_PERMUTATIONS)


def _random_parts(values: Sequence[float], count: int) -> Iterator[list[float]]:
    rng = random.Random(0)
    for _ in range(_MOST_PERMUTATIONS):
        yield rng.sample(values, count)


def spread(values: Sequence[float]) -> float | None:
    """Relative standard deviation between runs, from the logarithms; None if it is unknown."""
    if len(values) < 2 or min(values) <= 0:
        return None
    return math.sqrt(_variance([math.log(value) for value in values]))


def interval(values: Sequence[float]) -> Ratio | None:
    """Geometric mean of the values of runs with its 95 % interval; None if a value is zero or negative."""
    if not values or min(values) <= 0:
        return None
    logs = [math.log(value) for value in values]
    middle = fmean(logs)
    if len(logs) < 2:
        return Ratio(math.exp(middle))
    half = student.quantile(0.975, len(logs) - 1) * math.sqrt(_variance(logs) / len(logs))
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


@dataclass(frozen=True)
class _Logs:
    """Two samples of logarithms: the difference of their means and its standard error.

    Attributes:
        first: logarithms of the first deployment's values.
        second: the same of the second.
        apart: second mean minus first.
        error: standard error of that.
        freedom: degrees of freedom by Welch and Satterthwaite.
    """

    first: Sequence[float]
    second: Sequence[float]
    apart: float
    error: float
    freedom: float

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> _Logs:
        one, two = ([math.log(value) for value in values] for values in (first, second))
        a, b = _variance(one) / len(one), _variance(two) / len(two)
        freedom = float(len(one) + len(two) - 2)
        if a + b > 0:
            freedom = (a + b) ** 2 / (a * a / (len(one) - 1) + b * b / (len(two) - 1))
        return cls(one, two, fmean(two) - fmean(one), math.sqrt(a + b), freedom)

    def ratio(self) -> Ratio:
        half = student.quantile(0.975, self.freedom) * self.error
        return Ratio(math.exp(self.apart), math.exp(self.apart - half), math.exp(self.apart + half))

    def p_different(self) -> float:
        return max(
            student.tail_probability(self._t(self.apart), self.freedom),
            permutation_p(self.first, self.second),
        )

    def p_same(self, margin: float) -> float:
        room = math.log1p(margin) - abs(self.apart)
        return 1 - student.cdf(self._t(room), self.freedom)

    def _t(self, apart: float) -> float:
        if self.error > 0:
            return apart / self.error
        return math.copysign(math.inf, apart) if apart else 0.0

    def more_runs(self, margin: float) -> int:
        """Further runs of each deployment until either claim is probable, if these runs are typical."""
        variance = (_variance(self.first) + _variance(self.second)) / 2
        room = math.log1p(margin) - abs(self.apart)

        def is_enough(runs: int) -> bool:
            error, freedom = math.sqrt(2 * variance / runs), 2 * runs - 2
            power = student.quantile(POWER, freedom)
            two_sided = student.quantile(1 - LEVEL / 2, freedom) + power
            # Near equality, either of the two one-sided tests can fail.
            one_sided = student.quantile(1 - LEVEL, freedom) + student.quantile((1 + POWER) / 2, freedom)
            return abs(self.apart) >= two_sided * error or room >= one_sided * error

        there = min(len(self.first), len(self.second))
        tried = range(there + 1, _MOST_RUNS)
        return bisect_left(tried, True, key=is_enough) + 1


def _decide(logs: _Logs, p: float, p_same: float, margin: float) -> Claim:
    runs = len(logs.first), len(logs.second)
    claim = Claim("undecided", runs, logs.ratio(), p)
    if p_same <= LEVEL:
        return replace(claim, verdict="no_difference")
    if p <= LEVEL:
        return replace(claim, verdict="faster" if logs.apart < 0 else "slower")
    return replace(claim, more_runs=logs.more_runs(margin))


def _obstacle(first: Sequence[float], second: Sequence[float]) -> str:
    """Why a pair cannot be tested; empty if it can."""
    if len(first) == len(second) == 1:
        return "one run each: not decidable"
    if min(len(first), len(second)) < MIN_RUNS:
        return f"{len(first)} and {len(second)} runs: not decidable, at least {MIN_RUNS} each are required"
    return "" if min(*first, *second) > 0 else "a value is zero or negative: no ratio"


def _untested(first: Sequence[float], second: Sequence[float]) -> Claim:
    runs = len(first), len(second)
    missing = MIN_RUNS - min(runs)
    ratio = None
    if min(runs) and min(*first, *second) > 0:
        ratio = Ratio(math.exp(fmean(map(math.log, second)) - fmean(map(math.log, first))))
    return Claim(
        "undecided",
        runs,
        ratio,
        more_runs=missing if missing > 0 else None,
        reason=_obstacle(first, second),
    )


def _variance(values: Sequence[float]) -> float:
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
