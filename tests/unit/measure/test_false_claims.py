"""Claims over many simulated pairs: equals are rarely called different, and a shift of 10 % is found.

A run is simulated as the application video does it: endpoints on its schedule, with the seeds of repeats,
send over delayed links to one worker. A factor for each run stands for the state of the host.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from statistics import median

import pytest

from application.video import schedule
from continuum.measure.claims import Claim, claims
from continuum.model.repeat import seed_of

pytestmark = pytest.mark.slow

PAIRS, RUNS = 200, 5
HOST_SPREAD = 0.02
WHOLE = "end to end"
STAGES = ("uplink", "queue", "process", "downlink")


def simulated_run(seed: int, rng: random.Random, slower: float = 1.0) -> dict[str, float]:
    """Median of each stage and of the whole, in ms, of a run with two endpoints for 10 s."""
    host = slower * rng.lognormvariate(0, HOST_SPREAD)
    due = sorted(
        intended.offset_ns / 1e6
        for endpoint in range(2)
        for intended in schedule.intended_times("periodic", 5, 10, 0, f"{seed} endpoint{endpoint}")
    )
    arrivals = sorted((at + (there := slower * max(1.0, rng.gauss(26, 2.5))), there) for at in due)
    spans: dict[str, list[float]] = {stage: [] for stage in (*STAGES, WHOLE)}
    free = 0.0
    for at, uplink in arrivals:
        begun = max(at + 0.05, free)
        process, downlink = host * 20 * rng.lognormvariate(0, 0.1), slower * max(1.0, rng.gauss(8, 2.5))
        free = begun + process
        parts = (uplink, begun - at, process, downlink)
        for stage, span in zip(STAGES, parts, strict=True):
            spans[stage].append(span)
        spans[WHOLE].append(sum(parts))
    return {stage: median(found) for stage, found in spans.items()}


def compared(number: int, slower: float = 1.0) -> tuple[Claim, Mapping[str, Claim]]:
    """The claims about the whole and the stages of one pair of deployments with five repeats each."""
    rng = random.Random(f"pair {number}")
    repeats = range(1, RUNS + 1)
    first = [simulated_run(seed_of(2 * number, repeat), rng) for repeat in repeats]
    second = [simulated_run(seed_of(2 * number + 1, repeat), rng, slower) for repeat in repeats]

    def values(stage: str) -> tuple[Sequence[float], Sequence[float]]:
        return [run[stage] for run in first], [run[stage] for run in second]

    return claims({"": values(WHOLE)})[""], claims({stage: values(stage) for stage in STAGES})


def is_different(claim: Claim) -> bool:
    return claim.verdict in ("faster", "slower")


@pytest.fixture(scope="module")
def equals() -> list[tuple[Claim, Mapping[str, Claim]]]:
    """The claims about pairs without any difference."""
    return [compared(number) for number in range(PAIRS)]


def test_equals_are_called_different_in_at_most_5_of_100_pairs(equals) -> None:
    assert sum(is_different(whole) for whole, _ in equals) <= 0.05 * PAIRS
    assert sum(any(map(is_different, stages.values())) for _, stages in equals) <= 0.05 * PAIRS


def test_equals_are_mostly_shown_to_be_equal(equals) -> None:
    assert [whole.verdict for whole, _ in equals].count("no_difference") >= 0.8 * PAIRS


def test_p_values_of_equals_are_at_most_as_small_as_chance(equals) -> None:
    # Without the margin, a difference would be claimed in these cases; 5 % of 200 with three standard errors.
    assert sum((whole.p or 0) <= 0.05 for whole, _ in equals) <= 19


@pytest.mark.parametrize(("slower", "verdict"), [(1.1, "slower"), (1 / 1.1, "faster")])
def test_a_shift_of_10_percent_is_found_in_at_least_9_of_10_pairs(slower: float, verdict: str) -> None:
    found = [compared(number, slower)[0].verdict for number in range(PAIRS // 2)]
    assert found.count(verdict) >= 0.9 * PAIRS / 2
