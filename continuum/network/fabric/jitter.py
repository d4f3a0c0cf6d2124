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
from math import atan2, cos, hypot, pi
from statistics import NormalDist

CORRELATION_PER_JITTER = 3.0
"""Default of the correlation time, in standard deviations of the delay."""

KNOT_SPACING = 4 / 3
"""Distance of the knots, in correlation times."""

REACH = 5.0
"""Largest value, and smallest one with a minus, that ``truncated_delays`` is made for."""

STEPS_PER_UNIT = 40
"""Entries of ``truncated_delays`` for each unit of the value."""

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

    __slots__ = (
        "_amplitude", "_correlation_s", "_end", "_knot", "_last", "_normal", "_phase", "_speed", "_to"
    )  # fmt: skip

    def __init__(self, normal: Callable[[], float]) -> None:
        self._normal = normal
        self._knot = self._last = self._end = float("-inf")
        self._to = self._amplitude = self._phase = self._speed = self._correlation_s = 0.0

    def at(self, time_s: float, correlation_s: float) -> float:
        """The value for a packet.

        Args:
            time_s: time of the packet, not before that of the last one.
            correlation_s: correlation time; with 0, all values are independent.
        """
        if time_s - self._last >= correlation_s or correlation_s != self._correlation_s:
            self._correlation_s = correlation_s
            self._begin(time_s, self._normal())
        elif time_s >= self._end:
            self._begin(self._end, self._to)
        self._last = time_s
        return self._amplitude * cos((time_s - self._knot) * self._speed - self._phase)

    def _begin(self, knot: float, value: float) -> None:
        """Draw the value of the next knot, to go there from ``value`` at this one."""
        self._to = self._normal()
        spacing_s = KNOT_SPACING * self._correlation_s
        self._knot, self._end = knot, knot + spacing_s
        # cos(a) x value + sin(a) x to, as one cosine
        self._amplitude, self._phase = hypot(value, self._to), atan2(self._to, value)
        self._speed = pi / 2 / spacing_s if spacing_s else 0.0


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
    count = round(2 * REACH * STEPS_PER_UNIT) + 1
    shares = (values.cdf(number / STEPS_PER_UNIT - REACH) for number in range(count))
    return tuple(max(0.0, delays.inv_cdf(below + (1 - below) * share)) for share in shares)
