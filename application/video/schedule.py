"""The open-loop schedule of requests, which does not depend on answers."""

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
        arrival: ``periodic`` (as from a camera; endpoints have different phases) or ``poisson``
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
    at_ns = rng.random() * period_ns if arrival == "periodic" else rng.expovariate(1) * period_ns
    number = 0
    while at_ns < end_ns:
        offset_ns = int(at_ns)
        yield Intended(number, offset_ns, offset_ns < warmup_ns)
        at_ns += period_ns if arrival == "periodic" else rng.expovariate(1) * period_ns
        number += 1
