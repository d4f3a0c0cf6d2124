"""Limits the number of readings in a result. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

from continuum.model.fidelity import Reading

MOST_READINGS = 600
"""Readings kept of a run: one every 0.5 s in the first five minutes, fewer for longer runs."""

T = TypeVar("T", int, float)


def thin(readings: Sequence[Reading], most: int = MOST_READINGS) -> tuple[Reading, ...]:
    """At most ``most`` readings; each stands for several and has the largest value of each."""
    size = ceil(len(readings) / most) if readings else 1
    return tuple(_largest(readings[start : start + size]) for start in range(0, len(readings), size))


def _largest(group: Sequence[Reading]) -> Reading:
    def largest(value: Callable[[Reading], T | None]) -> T | None:
        return max((found for one in group if (found := value(one)) is not None), default=None)

    return Reading(
        group[-1].at_s,
        largest(lambda one: one.engine_delay_ms),
        largest(lambda one: one.foreign_cpu_percent),
        largest(lambda one: one.steal_percent),
        largest(lambda one: one.running),
        largest(lambda one: one.pressure_percent),
    )
