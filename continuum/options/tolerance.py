"""How far a measured link may be from the configured one."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.options.quantities import Latency, Percent
from continuum.options.value_types import Value, ValueType


@dataclass(frozen=True)
class Tolerance:
    """The bounds of ``verify``.

    Attributes:
        delay_percent: share of the configured delay, in percent.
        delay_floor_ms: difference in delay that is always allowed, in ms.
        throughput_percent: share of the configured bandwidth, in percent.
    """

    delay_percent: float = 2.0
    delay_floor_ms: float = 0.3
    throughput_percent: float = 5.0


@dataclass(frozen=True)
class ToleranceType(ValueType):
    """A percentage, and after a comma the floor of the delay: ``3 %, 0.5 ms``."""

    def parse(self, text: str) -> Tolerance:
        """Read both."""
        share, comma, floor = (part.strip() for part in text.partition(","))
        percent = Percent().parse(share)
        floor_ms = Latency().parse(floor) if comma else Tolerance.delay_floor_ms
        assert isinstance(percent, float)
        assert isinstance(floor_ms, float)
        return Tolerance(percent, floor_ms, percent)

    def show(self, value: Value) -> str:
        """Both, as written."""
        assert isinstance(value, Tolerance)
        return f"{value.delay_percent:g} %, {value.delay_floor_ms:g} ms"

    def describe(self) -> str:
        """Both parts."""
        return "percentage, and if wanted a delay: `3 %, 0.5 ms`"
