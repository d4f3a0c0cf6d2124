"""The open-loop schedule of requests, which does not depend on answers.

Periodic requests of two endpoints that meet at the worker would meet in every period, and the phases of one
run would decide its latencies. The phase of each endpoint is therefore drawn anew every few seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile

NS_PER_S = 1_000_000_000

PHASE_S = 2.0
"""How long the phase of periodic requests lasts, to the nearest period."""


@dataclass(frozen=True)
class Intended:
    """One request of the schedule.

    Attributes:
        number: position in the schedule, from 0.
        offset_ns: intended time after the start of the run.
        warmup: whether it belongs to the warm-up.
    """

    number: int
    offset_ns: int
    warmup: bool


def intended_times(
    arrival: str, frequency: float, duration_s: float, warmup_s: float, seed: str
) -> Iterator[Intended]:
    """The schedule of one endpoint: the warm-up, then the measured time.

    Args:
        arrival: ``periodic`` (as from a camera, with a new random phase every ``PHASE_S``) or ``poisson``
            (exponential gaps).
        frequency: requests per second, on average.
        duration_s: measured time in s.
        warmup_s: duration of the warm-up in s.
        seed: the same seed gives the same schedule.
    """
    rng = random.Random(seed)
    period_ns = NS_PER_S / frequency
    end_ns = round((warmup_s + duration_s) * NS_PER_S)
    warmup_ns = round(warmup_s * NS_PER_S)
    times = _periodic(rng, period_ns) if arrival == "periodic" else _poisson(rng, period_ns)
    for number, at_ns in enumerate(takewhile(lambda at_ns: at_ns < end_ns, times)):
        offset_ns = int(at_ns)
        yield Intended(number, offset_ns, offset_ns < warmup_ns)


def _periodic(rng: random.Random, period_ns: float) -> Iterator[float]:
    """One request in each period, at the same place of all periods that share a phase."""
    periods = max(1, round(PHASE_S * NS_PER_S / period_ns))
    for block in count():
        phase_ns = rng.random() * period_ns
        yield from (phase_ns + number * period_ns for number in range(block * periods, (block + 1) * periods))


def _poisson(rng: random.Random, period_ns: float) -> Iterator[float]:
    at_ns = 0.0
    while True:
        at_ns += rng.expovariate(1) * period_ns
        yield at_ns
