"""Claims about two deployments from the values of their runs."""

from __future__ import annotations

import math
import random

import pytest

from continuum.measure.claims import Claim, claims, holm, interval, permutation_p, spread

NEAR = (50.0, 50.5, 49.8, 50.2, 49.9)
FAR = (60.1, 60.4, 59.7, 60.0, 59.8)


def claim(first, second, margin: float = 0.05) -> Claim:
    return claims({"": (first, second)}, margin)[""]


def test_difference_by_hand():
    found = claim(NEAR, FAR)
    assert (found.verdict, found.runs, found.more_runs) == ("slower", (5, 5), None)
    assert found.p == pytest.approx(2 / 252)
    assert found.ratio.value == pytest.approx(
        math.exp(sum(map(math.log, FAR)) / 5 - sum(map(math.log, NEAR)) / 5)
    )
    back = claim(FAR, NEAR)
    assert back.verdict == "faster"
    assert back.ratio.low == pytest.approx(1 / found.ratio.high)


def test_welchs_test_by_hand():
    # Logarithms with means 0 and 1, variances 2.5 and 10 (n = 5): t = 1 / sqrt(0.5 + 2), and by Welch and
    # Satterthwaite 5.88 degrees of freedom, for which the 97.5 % quantile is 2.459 (interpolated in a table).
    first = [math.exp(value) for value in (-2, -1, 0, 1, 2)]
    second = [math.exp(1 + value) for value in (-4, -2, 0, 2, 4)]
    found = claim(first, second)
    assert math.log(found.ratio.high) - 1 == pytest.approx(2.459 * math.sqrt(2.5), rel=2e-3)
    assert found.verdict == "undecided"
    assert found.p > 0.5


def test_no_difference_requires_proof():
    assert claim(NEAR, NEAR[::-1]).verdict == "no_difference"
    scattered = (50.0, 60.0, 40.0, 55.0, 45.0)
    found = claim(scattered, scattered[::-1])
    assert found.verdict == "undecided"
    assert found.more_runs > 20


def test_a_difference_within_the_margin_is_none_though_it_is_not_chance():
    slightly = [value * 1.03 for value in NEAR]
    found = claim(NEAR, slightly, margin=0.05)
    assert found.verdict == "no_difference"
    assert found.p < 0.05
    assert claim(NEAR, slightly, margin=0.01).verdict == "slower"


def test_a_wider_margin_needs_fewer_runs():
    one, other = (50.0, 52.0, 48.0, 51.0, 49.0), (50.5, 52.5, 48.5, 51.5, 49.5)
    needed = [claim(one, other, margin).more_runs for margin in (0.03, 0.04)]
    assert needed[0] > needed[1]
    assert claim(one, other, 0.2).verdict == "no_difference"


def test_the_estimated_runs_decide_four_times_in_five():
    rng = random.Random(3)

    def runs(count: int, shift: float) -> list[float]:
        return [math.exp(rng.gauss(shift, 0.05)) for _ in range(count)]

    guesses = sorted(
        found.more_runs
        for _ in range(60)
        if (found := claim(runs(5, 0), runs(5, 0.06))).verdict == "undecided" and found.more_runs
    )
    # The difference is 1.2 standard deviations, which takes 13 runs of each for a power of 80 %.
    assert 3 <= guesses[len(guesses) // 2] <= 20


@pytest.mark.parametrize(
    ("first", "second", "said", "more"),
    [
        (NEAR[:1], FAR[:1], "one run each: not decidable", 4),
        (NEAR[:4], FAR, "4 and 5 runs: not decidable, at least 5 each are required", 1),
        (NEAR, (), "5 and 0 runs: not decidable, at least 5 each are required", 5),
        (NEAR, (0.0, *FAR), "a value is zero or negative: no ratio", None),
    ],
)
def test_what_cannot_be_tested_says_why(first, second, said, more):
    found = claim(first, second)
    assert (found.verdict, found.reason, found.more_runs, found.p) == ("undecided", said, more, None)


def test_equal_values_have_no_error():
    assert claim((7.0,) * 5, (7.0,) * 5).verdict == "no_difference"
    assert claim((7.0,) * 5, (8.0,) * 5).verdict == "slower"


def test_permutations_by_hand():
    # Of the 20 ways to choose 3 of 6, only the two extreme ones are as far apart.
    assert permutation_p([1, 2, 3], [4, 5, 6]) == pytest.approx(2 / 20)
    # The means 2 and 2 are as far apart as any.
    assert permutation_p([1, 2, 3], [3, 2, 1]) == 1


def test_many_permutations_are_sampled():
    rng = random.Random(1)
    one, other = ([rng.gauss(shift, 1) for _ in range(15)] for shift in (0, 0.7))
    p = permutation_p(one, other)
    assert p == permutation_p(one, other)
    # Welch's test is the limit for many runs.
    assert p == pytest.approx(claim([math.exp(v) for v in one], [math.exp(v) for v in other]).p, rel=0.15)


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}


def test_interval_and_spread_of_runs():
    found = interval([100.0, 100.0, 100.0])
    assert (found.value, found.low, found.high) == pytest.approx((100, 100, 100))
    assert interval([2.0, 8.0]).value == pytest.approx(4)
    assert (interval([]), interval([0.0, 1.0]), spread([5.0])) == (None, None, None)
    assert spread([math.exp(1), math.exp(3)]) == pytest.approx(math.sqrt(2))
