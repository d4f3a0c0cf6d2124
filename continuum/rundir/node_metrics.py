"""Metrics of nodes over time that a resource manager recorded, in a file of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.host.files import read_json, write_json

FILE = "observed.json"
SCHEMA = 1


@dataclass(frozen=True)
class Series:
    """One metric of one node over time.

    Attributes:
        metric: its name, such as ``CPU``.
        unit: its unit, such as ``cores``.
        node: name of the node.
        points: seconds since the start of the recording, and the value.
    """

    metric: str
    unit: str
    node: str
    points: tuple[tuple[float, float], ...]


def write(folder: Path, series: Iterable[Series]) -> Path:
    """Write series to a run's folder; returns the file."""
    path = folder / FILE
    write_json(path, {"schema": SCHEMA, "series": [vars(one) for one in series]})
    return path


def read(folder: Path) -> Sequence[Series]:
    """The series in a run's folder; empty if nothing was recorded."""
    data: dict[str, Any] = read_json(folder / FILE, default={})
    return [
        Series(one["metric"], one["unit"], one["node"], tuple((t, v) for t, v in one["points"]))
        for one in data.get("series", ())
    ]
