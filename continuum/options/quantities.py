"""Types of numeric values, with and without units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from continuum.options import units
from continuum.options.units import Scale
from continuum.options.value_types import Value, ValueType


@dataclass(frozen=True)
class Integer(ValueType):
    """A whole number, parsed to ``int``.

    Attributes:
        minimum: smallest value allowed; None for no limit.
        maximum: largest value allowed; None for no limit.
    """

    minimum: int | None = None
    maximum: int | None = None

    def parse(self, text: str) -> int:
        """The integer; ValueError if the text is not one or is out of range."""
        number, rest = units.read_number(text, "a whole number", "4")
        digits = text.removeprefix("+").removeprefix("-")
        if rest or not (digits.isascii() and digits.isdigit()):
            raise ValueError('not a whole number; write e.g. "4"')
        _within(number, self)
        return int(text)

    def describe(self) -> str:
        """The type and its limits."""
        return "whole number" + _limits(self)


@dataclass(frozen=True)
class Real(ValueType):
    """A number without a unit, parsed to ``float``.

    Attributes:
        minimum: smallest value allowed; None for no limit.
        maximum: largest value allowed; None for no limit.
    """

    minimum: float | None = None
    maximum: float | None = None

    def parse(self, text: str) -> float:
        """The number; ValueError if the text is not one or is out of range."""
        number, rest = units.read_number(text, "a number", "2.5")
        if rest:
            raise ValueError('not a number; write e.g. "2.5"')
        _within(number, self)
        return number

    def show(self, value: Value) -> str:
        """The shortest form of the number."""
        assert isinstance(value, (int, float))
        return units.show(value)

    def describe(self) -> str:
        """The type and its limits."""
        return "number" + _limits(self)


@dataclass(frozen=True)
class Fraction(Real):
    """A fraction, written as a number up to 1 or in percent, parsed to ``float`` up to 1."""

    minimum: float | None = 0.01
    maximum: float | None = 1.0

    def parse(self, text: str) -> float:
        """The fraction; the text may end in a percent sign."""
        if not text.endswith("%"):
            return super().parse(text)
        return super().parse(str(units.read_quantity(text, units.PERCENT) / 100))

    def describe(self) -> str:
        """The type, its limits, and the form in percent."""
        return super().describe() + " (or 1 % to 100 %)"


@dataclass(frozen=True)
class Quantity(ValueType):
    """A number with a unit, parsed to ``float`` in the base unit of its scale; base class.

    Attributes:
        minimum: smallest value allowed, in the base unit; None for no limit.
        maximum: largest value allowed, in the base unit; None for no limit.
    """

    scale: ClassVar[Scale]
    minimum: float | None = 0.0
    maximum: float | None = None

    def parse(self, text: str) -> Value:
        """The value in the base unit; ValueError if the text is malformed or out of range."""
        value = units.read_quantity(text, self.scale)
        _within(value, self)
        return value

    def show(self, value: Value) -> str:
        """The shortest form of the number, with the base unit."""
        assert isinstance(value, (int, float))
        return units.show(value, self.scale.base)

    def describe(self) -> str:
        """The quantity, the unit of a bare number, and the limits."""
        noun = self.scale.noun.removeprefix("a ")
        return f"{noun} (bare: {self.scale.bare})" + _limits(self)


@dataclass(frozen=True)
class Memory(Quantity):
    """Memory, parsed to MiB (``int``); a bare number is in GB, and 1 GB is 1024 MiB."""

    scale = units.MEMORY
    minimum: float | None = 1.0
    maximum: float | None = 64 * 1024.0**2

    def parse(self, text: str) -> int:
        """The size in MiB, rounded."""
        value = super().parse(text)
        assert isinstance(value, float)
        return round(value)

    def show(self, value: Value) -> str:
        """In GB from 1 GB on, else in MiB."""
        assert isinstance(value, (int, float))
        return units.show(value / 1024, "GB") if value >= 1024 else units.show(value, "MiB")


@dataclass(frozen=True)
class Latency(Quantity):
    """One-way delay or jitter in ms."""

    scale = units.LATENCY
    maximum: float | None = 3_600_000.0


@dataclass(frozen=True)
class Throughput(Quantity):
    """Bandwidth in Mbit/s; ``unlimited`` is infinite."""

    scale = units.THROUGHPUT
    minimum: float | None = 0.001
    maximum: float | None = 1e6

    def parse(self, text: str) -> Value:
        """The rate in Mbit/s."""
        return float("inf") if text.lower() == "unlimited" else super().parse(text)

    def describe(self) -> str:
        """The quantity, its limits, and ``unlimited``."""
        return super().describe() + "; or `unlimited`"


@dataclass(frozen=True)
class DiskRate(Quantity):
    """Disk throughput in MB/s; 0 is unlimited."""

    scale = units.DISK_RATE
    maximum: float | None = 1e6


@dataclass(frozen=True)
class QueueSize(Quantity):
    """The capacity of a queue in bytes; at least one packet of the MTU fits."""

    scale = units.BYTES
    minimum: float | None = 1500.0
    maximum: float | None = 1e9


@dataclass(frozen=True)
class Duration(Quantity):
    """Time in seconds."""

    scale = units.DURATION
    maximum: float | None = 31 * 86400.0


@dataclass(frozen=True)
class Cores(Quantity):
    """A number of cores, which may be fractional."""

    scale = units.CORES
    minimum: float | None = 0.1
    maximum: float | None = 4096.0


@dataclass(frozen=True)
class Percent(Quantity):
    """A percentage."""

    scale = units.PERCENT
    maximum: float | None = 100.0


def _within(value: float, kind: Integer | Real | Quantity) -> None:
    if kind.minimum is not None and value < kind.minimum:
        raise ValueError(f"too small; at least {kind.show(kind.minimum)}")
    if kind.maximum is not None and value > kind.maximum:
        raise ValueError(f"too large; at most {kind.show(kind.maximum)}")


def _limits(kind: Integer | Real | Quantity) -> str:
    """The limits, for the configuration reference."""
    low = "" if kind.minimum is None else f", at least {kind.show(kind.minimum)}"
    high = "" if kind.maximum is None else f", at most {kind.show(kind.maximum)}"
    return low + high
