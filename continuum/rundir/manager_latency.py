"""Latencies of the resource manager's components, in a file of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from continuum.host.files import read_json, write_json
from continuum.model.result import PartLatency

FILE = "manager-latency.json"
SCHEMA = 1


def write(folder: Path, rows: Iterable[PartLatency], **about: Any) -> Path:
    """Write latencies to a run's folder; returns the file.

    Args:
        folder: the run's folder.
        rows: the latencies.
        about: further JSON values to store.
    """
    path = folder / FILE
    write_json(path, {"schema": SCHEMA, **about, "rows": [asdict(row) for row in rows]})
    return path


def read(folder: Path) -> tuple[PartLatency, ...]:
    """The latencies in a run's folder; empty if none were measured."""
    data: Mapping[str, Any] = read_json(folder / FILE, default={})
    known = {field.name for field in fields(PartLatency)}
    return tuple(
        PartLatency(**{key: value for key, value in row.items() if key in known})
        for row in data.get("rows", ())
    )
