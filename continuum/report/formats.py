"""Numbers, times and sizes as text for tables, plots and pages. Pure."""

from __future__ import annotations

from continuum.model.summary import Summary

NONE = "-"
"""Text for a value that is unknown."""


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a fixed number of decimals; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def compact(value: float | None) -> str:
    """A number with about four significant digits, without trailing zeros; a dash for None."""
    return NONE if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def span(milliseconds: float | None) -> str:
    """A time in ms with its unit, about three digits."""
    if milliseconds is None:
        return NONE
    decimals = 0 if abs(milliseconds) >= 1000 else 1 if abs(milliseconds) >= 10 else 2
    return f"{number(milliseconds, decimals)} ms"


def seconds(value: float) -> str:
    """A time in s with its unit."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.2f} s"


def memory(megabytes: float | None) -> str:
    """Memory with its unit, in GB from 1,024 MB on."""
    if megabytes is None:
        return NONE
    return f"{megabytes / 1024:.3g} GB" if megabytes >= 1024 else f"{megabytes:.0f} MB"


def percent(value: float | None, decimals: int = 1) -> str:
    """A percentage with its sign; a dash for None."""
    return NONE if value is None else f"{number(value, decimals)} %"


def count(many: int, word: str) -> str:
    """A count with its noun: ``1 node``, ``2 nodes``, ``12,000 nodes``."""
    return f"{many:,} {word}{'' if many == 1 else 's'}"


def with_clock_error(name: str, summary: Summary) -> str:
    """A name with the uncertainty that clock offsets add to its times, if any."""
    return name + (f" (clock ± {span(summary.clock_error)})" if summary.clock_error else "")
