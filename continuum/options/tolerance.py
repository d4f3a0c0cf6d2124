"""The allowed difference between a measured link and its configuration."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.options.quantities import Latency, Percent
from continuum.options.value_types import Value, ValueType


@dataclass(frozen=True)
class Tolerance:
    """The tolerance of the phase ``verify``.

    Attributes:
        delay_percent: allowed difference in delay, in percent of the configured delay.
        delay_floor_ms: difference in delay that is always allowed, in ms.
        throughput_percent: allowed difference in throughput, in percent of the configured bandwidth.
    """

    delay_percent: float = 2.0
    delay_floor_ms: float = 0.3
    throughput_percent: float = 5.0


@dataclass(frozen=True)
class ToleranceType(ValueType):
    """A percentage, optionally followed by the floor of the delay: ``3 %, 0.5 ms``."""

    def parse(self, text: str) -> Tolerance:
        """The tolerance; the percentage applies to delay and throughput."""
        share, comma, floor = (part.strip() for part in text.partition(","))
        percent = Percent().parse(share)
        floor_ms = Latency().parse(floor) if comma else Tolerance.delay_floor_ms
        assert isinstance(percent, float)
        assert isinstance(floor_ms, float)
        return Tolerance(percent, floor_ms, percent)

    def show(self, value: Value) -> str:
        """Percentage and floor of the delay."""
        assert isinstance(value, Tolerance)
        return f"{value.delay_percent:g} %, {value.delay_floor_ms:g} ms"

    def describe(self) -> str:
        """The two parts."""
        return "percentage, optionally followed by a delay: `3 %, 0.5 ms`"
