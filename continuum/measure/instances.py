"""``instances.csv``: one row per instance of a workload, so that every number of its life can be made again.

Columns: ``instance``, ``node``, and one ``<stage>_ms`` per stage: when the instance reached it, counted from
the first instance's creation; then one ``<stage>_error_ms`` each: how far from the truth that may be. An
empty cell is unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.measure.lifecycle import Life
from continuum.model.marks import STAGES
from continuum.model.sample_table import milliseconds


def write(path: Path, lives: Sequence[Life]) -> Path:
    """Write all instances, those created first in front; returns ``path``."""
    first_ns = min((min(life.at_ns.values()) for life in lives), default=0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        times = [f"{stage}_ms" for stage in STAGES]
        rows.writerow(["instance", "node", *times, *(f"{stage}_error_ms" for stage in STAGES)])
        for life in lives:
            since = [life.at_ns[stage] - first_ns if stage in life.at_ns else None for stage in STAGES]
            errors = [life.error_ns.get(stage) for stage in STAGES]
            rows.writerow([life.instance, life.node, *map(milliseconds, [*since, *errors])])
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Every row as a dict with numbers as such; None for an empty cell."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _typed(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def _typed(name: str, text: str) -> str | float | None:
    if not name.endswith("_ms"):
        return text
    return float(text) if text else None
