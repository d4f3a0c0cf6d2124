"""Reads ``samples.csv``, which has one row per request of a run."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NANOSECONDS_PER_MS = 1_000_000


def read(path: Path) -> list[dict[str, Any]]:
    """Every row as a dict with numbers and booleans converted; None for an empty cell."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(_typed(csv.DictReader(file)))


def milliseconds(nanoseconds: int | None) -> str:
    """Integer ns as decimal ms without rounding; empty for None."""
    if nanoseconds is None:
        return ""
    whole, rest = divmod(abs(nanoseconds), NANOSECONDS_PER_MS)
    return f"{'-' if nanoseconds < 0 else ''}{whole}.{rest:06d}"


_KINDS: dict[str, Callable[[str], Any]] = {
    "due_ns": int,
    "queue_depth": int,
    "due_s": float,
    "confidence": float,
    "warmup": "true".__eq__,
    "correct": "true".__eq__,
}


def _typed(rows: csv.DictReader[str]) -> Iterator[dict[str, Any]]:
    names = rows.fieldnames or ()
    kinds = {name: _KINDS.get(name, float if name.endswith("_ms") else str) for name in names}
    for row in rows:
        yield {name: kinds[name](row[name]) if row[name] else _empty(kinds[name]) for name in names}


def _empty(kind: Callable[[str], Any]) -> str | None:
    return "" if kind is str else None
