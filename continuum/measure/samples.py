"""``samples.csv``: one row per request, from which all statistics can be recomputed.

Columns: ``id``, ``node``, ``worker``, ``due_s`` (intended time since the start of the schedule) and
``due_ns`` (the same in ns), one ``<stage>_ms`` per stage with ``other`` last, ``end_to_end_ms``,
``outcome``, ``warmup``, ``correct``, ``label``, ``confidence``, ``queue_depth``, ``reached``. Times have
six decimals, that is, nanoseconds. An empty cell is unknown.
"""

from __future__ import annotations

import csv
from pathlib import Path

from continuum.measure.trace import Request, Trace
from continuum.model.sample_table import milliseconds


def write(path: Path, trace: Trace) -> Path:
    """Write all requests of a trace, warm-up included; returns ``path``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns(trace.stages))
        rows.writerows(_row(request, trace) for request in trace.requests)
    return path


def columns(stages: tuple[str, ...]) -> list[str]:
    """The header for these stages."""
    spans = [f"{stage}_ms" for stage in stages]
    head = ["id", "node", "worker", "due_s", "due_ns", *spans, "end_to_end_ms", "outcome", "warmup"]
    return [*head, "correct", "label", "confidence", "queue_depth", "reached"]


def _row(request: Request, trace: Trace) -> list[str]:
    start_ns = trace.start_ns or 0
    since_ns = None if request.due_ns is None else request.due_ns - start_ns
    return [
        request.id,
        request.node,
        request.worker,
        "" if since_ns is None else f"{since_ns / 1e9:.6f}",
        "" if since_ns is None else str(since_ns),
        *(milliseconds(request.spans_ns.get(stage)) for stage in trace.stages),
        milliseconds(request.end_to_end_ns),
        request.outcome,
        _text(request.warmup),
        _text(request.correct),
        request.label,
        _text(request.confidence),
        _text(request.queue_depth),
        request.reached,
    ]


def _text(value: float | bool | None) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:g}"
