"""What workloads leave behind: one request reached one stage on one node at one clock reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Detail = Mapping[str, "str | float | bool | None"]

DUE = "due"
DONE = "done"
LOST = "lost"
FAILED = "failed"
HELD = "held"
"""A request that its sender kept back, because as many as may be were unanswered; no stage of its own."""

UNREADABLE = "unreadable"
"""Stage of an event that stands for a line that could not be read; it belongs to no request."""


@dataclass(frozen=True)
class Event:
    """One request reached one stage on one node at one clock reading.

    Attributes:
        request: id of the request, unique within the run.
        stage: the stage reached: ``due`` (the intended time on the open-loop schedule), one of the
            application's stages (its start), ``done``, ``lost``, ``failed``, or ``held`` (kept back by its
            sender for a while, which is part of the stage it was in).
        node: node whose clock was read.
        clock_ns: that node's CLOCK_MONOTONIC in ns.
        detail: what else is known. On ``due``: ``warmup``. On ``done``: ``worker``, ``label``,
            ``confidence``, ``correct``. On any event: ``queue_depth``, requests waiting on arrival.
    """

    request: str
    stage: str
    node: str
    clock_ns: int
    detail: Detail = field(default_factory=dict)


def parse(lines: Iterable[str], node: str = "") -> Iterator[Event]:
    """Read ``events.jsonl``; a line that cannot be read becomes an event of stage ``unreadable``.

    A process killed while it wrote leaves half a line behind. Such lines are counted by
    ``continuum.measure.trace.build``, never skipped unseen.

    Args:
        lines: ``{"r": request, "s": stage, "n": node, "t": clock in ns, "d": {detail}}`` each.
        node: name to use where a line has no ``n``, or is unreadable.
    """
    for line in lines:
        if line.strip():
            yield _event(line, node)


def _event(line: str, node: str) -> Event:
    try:
        record = json.loads(line)
        clock_ns = record["t"]
        if isinstance(clock_ns, bool) or not isinstance(clock_ns, int):
            raise TypeError(clock_ns)
        detail = record.get("d") or {}
        if not isinstance(detail, dict):
            raise TypeError(detail)
        return Event(str(record["r"]), str(record["s"]), str(record.get("n", node)), clock_ns, detail)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Event("", UNREADABLE, node, 0)


def read(raw: Path) -> Iterator[Event]:
    """Every event below ``raw``: ``<node>/<workload>-<replica>/events.jsonl``, in the order of names."""
    for path in sorted(raw.glob("*/*/events.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from parse(lines, node=path.parent.parent.name)
