"""Parses numbers with units: ``16 GB``, ``45 ms``, ``7.21 Mbit``, ``100 MB/s``.

A bare number has the unit of its key. Values that cannot be intended (``nan``, ``1e999``, a decimal comma,
bytes instead of bits) are rejected with a message that shows the correct form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*)", re.DOTALL)
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)\b")


@dataclass(frozen=True)
class Scale:
    """The units of a quantity.

    Attributes:
        noun: name of the quantity in errors, with its article.
        bare: unit of a bare number.
        base: unit of parsed values.
        factors: size of each unit in ``base``, by its lower-case spelling.
        example: an example for error messages.
        bits: whether it counts bits, so that a capital B (bytes) is rejected.
    """

    noun: str
    bare: str
    base: str
    factors: Mapping[str, float]
    example: str
    bits: bool = False


def _spellings(factors: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    return {spelling: factor for spellings, factor in factors.items() for spelling in spellings}


#: Memory units are powers of 1024 in every spelling, as for virtual machines: 1 GB is 1024 MiB.
MEMORY = Scale(
    "a size",
    "GB",
    "MiB",
    _spellings(
        {
            ("k", "kb", "kib"): 1 / 1024,
            ("m", "mb", "mib"): 1.0,
            ("g", "gb", "gib"): 1024.0,
            ("t", "tb", "tib"): 1024.0**2,
        }
    ),
    "4 GB",
)
LATENCY = Scale(
    "a delay",
    "ms",
    "ms",
    _spellings({("us", "µs", "μs"): 1e-3, ("ms",): 1.0, ("s", "sec"): 1e3}),
    "45 ms",
)
DURATION = Scale(
    "a duration",
    "s",
    "s",
    _spellings(
        {
            ("ms",): 1e-3,
            ("s", "sec", "second", "seconds"): 1.0,
            ("min", "minute", "minutes"): 60.0,
            ("h", "hour", "hours"): 3600.0,
        }
    ),
    "10 s",
)
THROUGHPUT = Scale(
    "a bandwidth",
    "Mbit",
    "Mbit/s",
    {
        prefix + spelling: factor
        for prefix, factor in {"": 1e-6, "k": 1e-3, "m": 1.0, "g": 1e3}.items()
        for spelling in ("bit", "bit/s", "bps", "b/s")
    },
    "100 Mbit",
    bits=True,
)
DISK_RATE = Scale(
    "a disk rate",
    "MB/s",
    "MB/s",
    {
        prefix + spelling: factor
        for prefix, factor in {
            "k": 1e-3,
            "m": 1.0,
            "g": 1e3,
            "ki": 1024 / 1e6,
            "mi": 1024**2 / 1e6,
            "gi": 1024**3 / 1e6,
        }.items()
        for spelling in ("b", "b/s")
    },
    "100 MB/s",
)
#: Bytes of packets: powers of 1000 as for rates, unless written with an "i".
BYTES = Scale(
    "a number of bytes",
    "B",
    "B",
    {
        "b": 1.0,
        **{
            prefix + "b": factor
            for prefix, factor in {
                "k": 1e3,
                "m": 1e6,
                "g": 1e9,
                "ki": 1024.0,
                "mi": 1024.0**2,
                "gi": 1024.0**3,
            }.items()
        },
    },
    "64 kB",
)
CORES = Scale("a number of cores", "cores", "cores", _spellings({("core", "cores"): 1.0}), "2 cores")
PERCENT = Scale("a percentage", "%", "%", _spellings({("%", "percent"): 1.0}), "2 %")


def read_number(text: str, noun: str, example: str) -> tuple[float, str]:
    """Split text into a number and the rest; ValueError shows the correct form.

    Args:
        text: the value as written.
        noun: name of the expected quantity with its article, for the error.
        example: an example, for the error.
    """
    comma = _DECIMAL_COMMA.match(text)
    if comma:
        raise ValueError(f"decimal comma; write {comma[1]}.{comma[2]}")
    found = _NUMBER.fullmatch(text)
    if not found:
        raise ValueError(f'not {noun}; write e.g. "{example}"')
    number = float(found[1])
    if math.isinf(number):
        raise ValueError(f'too large for {noun}; write e.g. "{example}"')
    return number, found[2].strip()


def read_quantity(text: str, scale: Scale) -> float:
    """The value in the scale's base unit; ValueError shows the correct form."""
    number, unit = read_number(text, scale.noun, scale.example)
    if not unit:
        unit = scale.bare
    if scale.bits and "B" in unit:
        raise ValueError(f'{unit} counts bytes; write bits, e.g. "{scale.example}" (1 MB/s is 8 Mbit)')
    factor = scale.factors.get(unit.lower())
    if factor is None:
        raise ValueError(f'"{unit}" is not a unit of {scale.noun}; write e.g. "{scale.example}"')
    return number * factor


def show(value: float, unit: str = "") -> str:
    """The shortest form of a number, with its unit."""
    return f"{value:.12g} {unit}".rstrip()
