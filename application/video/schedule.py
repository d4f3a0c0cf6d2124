"""When each request is meant to be made: an open-loop schedule that no slow answer can stretch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Intended:
    """One request of the schedule.

    Attributes:
        number: position in the schedule, from 0.
        offset_ns: intended time after the start of the run.
        warmup: whether it falls into the warm-up.
    """

    number: int
    offset_ns: int
    warmup: bool


def intended_times(
    arrival: str, frequency: float, duration_s: float, warmup_s: float, seed: str
) -> Iterator[Intended]:
    """The schedule of one endpoint: its warm-up, then ``duration_s`` that are measured.

    Args:
        arrival: ``periodic`` (a camera; endpoints differ in phase, as cameras do) or ``poisson``
            (exponential gaps).
        frequency: requests per second, on average.
        duration_s: measured time in s.
        warmup_s: time before that in s.
        seed: the same seed gives the same schedule.
    """
    rng = random.Random(seed)
    period_ns = NS_PER_S / frequency
    end_ns = round((warmup_s + duration_s) * NS_PER_S)
    warmup_ns = round(warmup_s * NS_PER_S)
    at_ns = rng.random() * period_ns if arrival == "periodic" else rng.expovariate(1) * period_ns
    number = 0
    while at_ns < end_ns:
        offset_ns = int(at_ns)
        yield Intended(number, offset_ns, offset_ns < warmup_ns)
        at_ns += period_ns if arrival == "periodic" else rng.expovariate(1) * period_ns
        number += 1
