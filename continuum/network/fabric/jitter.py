"""The random part of a link's delay: normally distributed at any time, and so slow that order is kept.

Independent standard normal values stand at knots, ``KNOT_SPACING`` correlation times apart. In between,
the value is the sum of both neighbours with the weights cos(a) and sin(a), where a grows from 0 to pi/2.
As the squares of the weights add up to 1, the value is standard normal at every time.

The slope of the delay is normal, with the standard deviation pi/2 x jitter / spacing. Where it is below
-1, packets would overtake each other, so that they wait. By default, knots are four standard deviations
apart, and one packet in 200 waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin
from statistics import NormalDist

CORRELATION_PER_JITTER = 3.0
"""Default of the correlation time, in standard deviations of the delay."""

KNOT_SPACING = 4 / 3
"""Distance of the knots, in correlation times."""

_REACH = 5.0
_STEPS_PER_UNIT = 40
_TRUNCATION_MATTERS = 4.0
"""Means below this number of standard deviations: beyond, 1 in 30,000 values is below 0."""


class Jitter:
    """A standard normal value for every packet of one ordered pair of nodes.

    A packet that follows the one before after at least the correlation time has an independent value.
    Values of closer packets change smoothly. When values are drawn depends only on the times of packets, so
    that the distribution is standard normal in all cases.

    Args:
        normal: source of independent standard normal values.
    """

    __slots__ = ("_from", "_knot", "_last", "_normal", "_to")

    def __init__(self, normal: Callable[[], float]) -> None:
        self._normal = normal
        self._knot = self._last = float("-inf")
        self._from = self._to = 0.0

    def at(self, time_s: float, correlation_s: float) -> float:
        """The value for a packet.

        Args:
            time_s: time of the packet, not before that of the last one.
            correlation_s: correlation time; with 0, all values are independent.
        """
        spacing_s = KNOT_SPACING * correlation_s
        since_s = time_s - self._knot
        if not correlation_s or time_s - self._last >= correlation_s or since_s >= 2 * spacing_s:
            self._knot = self._last = time_s
            self._from, self._to = self._normal(), self._normal()
            return self._from
        self._last = time_s
        if since_s >= spacing_s:
            self._knot += spacing_s
            since_s -= spacing_s
            self._from, self._to = self._to, self._normal()
        angle = since_s / spacing_s * (pi / 2)
        return cos(angle) * self._from + sin(angle) * self._to


@lru_cache(maxsize=64)
def truncated_delays(delay_s: float, jitter_s: float) -> tuple[float, ...]:
    """Delays of the normal distribution truncated at 0, by the standard normal value that they stand for.

    Each delay has the probability of its value: it is the quantile of the truncated distribution.

    Returns:
        Delays in s for the values from -5 to 5 in steps of 1/40; empty if the truncation does not matter.
    """
    if delay_s >= _TRUNCATION_MATTERS * jitter_s:
        return ()
    values, delays = NormalDist(), NormalDist(delay_s, jitter_s)
    below = delays.cdf(0.0)
    count = round(2 * _REACH * _STEPS_PER_UNIT) + 1
    shares = (values.cdf(number / _STEPS_PER_UNIT - _REACH) for number in range(count))
    return tuple(max(0.0, delays.inv_cdf(below + (1 - below) * share)) for share in shares)


def interpolated(delays: tuple[float, ...], value: float) -> float:
    """The delay of ``truncated_delays`` for a standard normal value."""
    place = (value + _REACH) * _STEPS_PER_UNIT
    number = int(place)
    if number < 0 or number + 1 >= len(delays):
        return delays[0 if number < 0 else -1]
    return delays[number] + (place - number) * (delays[number + 1] - delays[number])
