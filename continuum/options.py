"""What a key of a config file may hold: the one declaration that parsing, checking and docs share.

The core's own options are in ``continuum.core_options``; a module declares its own as
``options: ClassVar[tuple[Option, ...]]``, so a key is described in one place only::

    Option("benchmark", "frequency", Real(minimum=0.1), 5.0, "frames per second of each endpoint")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from continuum import units
from continuum.units import Scale

Value = object


class Kind(ABC):
    """How the text of a value becomes a Python value."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value; ValueError says what is wrong and what to write instead."""

    @abstractmethod
    def describe(self) -> str:
        """What may be written, for the reference."""

    def show(self, value: Value) -> str:
        """A value as a user would write it."""
        return str(value)


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number, kept as ``int``.

    Attributes:
        minimum: smallest value allowed; None for no limit.
        maximum: largest value allowed; None for no limit.
    """

    minimum: int | None = None
    maximum: int | None = None

    def parse(self, text: str) -> int:
        """Read the digits."""
        number, rest = units.read_number(text, "a whole number", "4")
        digits = text.removeprefix("+").removeprefix("-")
        if rest or not (digits.isascii() and digits.isdigit()):
            raise ValueError('not a whole number; write e.g. "4"')
        _within(number, self.minimum, self.maximum, "")
        return int(text)

    def describe(self) -> str:
        """The limits."""
        return "whole number" + _limits(self.minimum, self.maximum, "")


@dataclass(frozen=True)
class Real(Kind):
    """A number without a unit, kept as ``float``.

    Attributes:
        minimum: smallest value allowed; None for no limit.
        maximum: largest value allowed; None for no limit.
    """

    minimum: float | None = None
    maximum: float | None = None

    def parse(self, text: str) -> float:
        """Read the number."""
        number, rest = units.read_number(text, "a number", "2.5")
        if rest:
            raise ValueError('not a number; write e.g. "2.5"')
        _within(number, self.minimum, self.maximum, "")
        return number

    def show(self, value: Value) -> str:
        """The number without needless digits."""
        return f"{value:g}"

    def describe(self) -> str:
        """The limits."""
        return "number" + _limits(self.minimum, self.maximum, "")


@dataclass(frozen=True)
class Quantity(Kind):
    """A number with a unit, kept as ``float`` in the base unit of its scale.

    Use one of the subclasses, which differ in scale and limits.

    Attributes:
        minimum: smallest value allowed, in the base unit; None for no limit.
        maximum: largest value allowed, in the base unit; None for no limit.
    """

    scale: ClassVar[Scale]
    minimum: float | None = 0.0
    maximum: float | None = None

    def parse(self, text: str) -> Value:
        """Read the number and its unit."""
        value = units.read_quantity(text, self.scale)
        _within(value, self.minimum, self.maximum, self.scale.base)
        return value

    def show(self, value: Value) -> str:
        """The number without needless digits, and the base unit."""
        return f"{value:g} {self.scale.base}"

    def describe(self) -> str:
        """The quantity, its bare unit and its limits."""
        noun = self.scale.noun.removeprefix("a ")
        return f"{noun} (bare: {self.scale.bare})" + _limits(self.minimum, self.maximum, self.scale.base)


@dataclass(frozen=True)
class Memory(Quantity):
    """Memory, kept as whole MiB (``int``); a bare number is GB, and 1 GB is 1024 MiB."""

    scale = units.MEMORY
    minimum: float | None = 1.0
    maximum: float | None = 64 * 1024.0**2

    def parse(self, text: str) -> int:
        """Read the size."""
        value = super().parse(text)
        assert isinstance(value, float)
        return round(value)

    def show(self, value: Value) -> str:
        """In GB where that is shorter."""
        assert isinstance(value, int)
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
        """Read the rate."""
        return float("inf") if text.lower() == "unlimited" else super().parse(text)

    def describe(self) -> str:
        """The quantity and the word for no limit."""
        return super().describe() + "; or `unlimited`"


@dataclass(frozen=True)
class DiskRate(Quantity):
    """Disk throughput in MB/s; 0 is unlimited."""

    scale = units.DISK_RATE
    maximum: float | None = 1e6


@dataclass(frozen=True)
class Duration(Quantity):
    """Time in seconds."""

    scale = units.DURATION
    maximum: float | None = 31 * 86400.0


@dataclass(frozen=True)
class Cores(Quantity):
    """Cores, whole or in part."""

    scale = units.CORES
    minimum: float | None = 0.1
    maximum: float | None = 4096.0


@dataclass(frozen=True)
class Percent(Quantity):
    """A share in percent."""

    scale = units.PERCENT
    maximum: float | None = 100.0


@dataclass(frozen=True)
class Flag(Kind):
    """True or False, kept as ``bool``."""

    _words: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }

    def parse(self, text: str) -> bool:
        """Read the word."""
        value = self._words.get(text.lower())
        if value is None:
            raise ValueError("neither True nor False; write one of them")
        return value

    def describe(self) -> str:
        """Both words."""
        return "`True` or `False`"


@dataclass(frozen=True)
class Text(Kind):
    """Any text, kept as ``str``."""

    def parse(self, text: str) -> str:
        """As it is."""
        return text

    def describe(self) -> str:
        """That it is text."""
        return "text"


@dataclass(frozen=True, init=False)
class Choice(Kind):
    """One of some words, whatever their case, kept as ``str`` in the spelling declared.

    Attributes:
        words: what may be written.
    """

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def parse(self, text: str) -> str:
        """Find the word."""
        for word in self.words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"not one of: {', '.join(nearest_first(text, self.words))}")

    def describe(self) -> str:
        """All words."""
        return ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True)
class FilePath(Kind):
    """A path, kept as ``str``; ``Section.path`` resolves ``~`` and the config file's folder."""

    def parse(self, text: str) -> str:
        """As it is."""
        if "\0" in text:
            raise ValueError("no path can hold a NUL character")
        return text

    def describe(self) -> str:
        """How it is resolved."""
        return "path (from the config file's folder; `~` is your home)"


@dataclass(frozen=True)
class Texts(Kind):
    """Texts separated by commas, kept as ``tuple[str, ...]``."""

    def parse(self, text: str) -> tuple[str, ...]:
        """Split at commas and line ends; empty items do not count."""
        items = (item.strip().strip("\"'").strip() for item in text.replace("\n", ",").split(","))
        return tuple(item for item in items if item)

    def show(self, value: Value) -> str:
        """Joined again."""
        assert isinstance(value, tuple)
        return ", ".join(value)

    def describe(self) -> str:
        """The separator."""
        return "list, separated by commas"


@dataclass(frozen=True)
class Option:
    """One key of a config file.

    Attributes:
        section: section it is written in, without brackets.
        key: its name, in lower case.
        kind: what it may hold.
        default: value when it is not given, in the kind's base unit; None for none.
        help: what it is for, in one or two sentences.
        required: whether it must be given where its module is in use.
        default_text: the default in words, where it depends on something else.
    """

    section: str
    key: str
    kind: Kind
    default: Value = None
    help: str = ""
    required: bool = False
    default_text: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """Section and key, both in lower case."""
        return self.section.lower(), self.key.lower()

    def describe_default(self) -> str:
        """The default for the reference."""
        if self.required:
            return "must be given"
        if self.default_text:
            return self.default_text
        return "" if self.default is None else f"`{self.kind.show(self.default)}`"


def nearest_first(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """All known words, those that resemble ``word`` first; the rest keep their order."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = [lowered[name] for name in difflib.get_close_matches(word.lower(), list(lowered), n=3)]
    return (*near, *(name for name in known if name not in near))


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that resembles ``word`` most; None when none does."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return lowered[near[0]] if near else None


def _within(value: float, minimum: float | None, maximum: float | None, unit: str) -> None:
    if minimum is not None and value < minimum:
        raise ValueError(f"too small; at least {units.show(minimum, unit)}")
    if maximum is not None and value > maximum:
        raise ValueError(f"too large; at most {units.show(maximum, unit)}")


def _limits(minimum: float | None, maximum: float | None, unit: str) -> str:
    if minimum is not None and maximum is not None:
        return f", {units.show(minimum, '')} to {units.show(maximum, unit)}"
    if minimum is not None:
        return f", at least {units.show(minimum, unit)}"
    return "" if maximum is None else f", at most {units.show(maximum, unit)}"
