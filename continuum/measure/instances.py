"""``instances.csv``: one row per instance of a workload, from which its statistics can be recomputed.

Columns: ``instance``, ``node``, and for each stage ``<stage>_ms``, when the instance reached it, in ms since
the first instance was created; then for each stage ``<stage>_error_ms``, the largest possible error of that
time. An empty cell is unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.measure.lifecycle import InstanceTimeline
from continuum.model.marks import STAGES
from continuum.model.sample_table import milliseconds


def write(path: Path, timelines: Sequence[InstanceTimeline]) -> Path:
    """Write all instances in the order of creation; returns ``path``."""
    first_ns = min((min(one.at_ns.values()) for one in timelines), default=0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        times = [f"{stage}_ms" for stage in STAGES]
        rows.writerow(["instance", "node", *times, *(f"{stage}_error_ms" for stage in STAGES)])
        for one in timelines:
            since = [one.at_ns[stage] - first_ns if stage in one.at_ns else None for stage in STAGES]
            errors = [one.error_ns.get(stage) for stage in STAGES]
            rows.writerow([one.instance, one.node, *map(milliseconds, [*since, *errors])])
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Every row as a dict with times as floats; None for an empty cell."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _typed(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def _typed(name: str, text: str) -> str | float | None:
    if not name.endswith("_ms"):
        return text
    return float(text) if text else None
