"""Events that workloads record: one request reached one stage on one node at one clock reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from continuum.sdk import protocol

Detail = Mapping[str, "str | float | bool | None"]

UNREADABLE = "unreadable"
"""Stage of an event that stands for a line that could not be read; it belongs to no request."""


@dataclass(frozen=True)
class Event:
    """One request reached one stage on one node at one clock reading.

    Attributes:
        request: id of the request, unique within the run.
        stage: the stage that begins: ``due``, ``done``, ``lost``, ``failed`` or ``held`` (see
            ``continuum.sdk.protocol``), or one of the application's stages.
        node: node whose clock was read.
        clock_ns: that node's CLOCK_MONOTONIC in ns.
        detail: further data. On ``due``: ``warmup``. On ``done``: ``worker``, ``label``, ``confidence``,
            ``correct``. On any event: ``queue_depth``, the requests waiting on arrival.
    """

    request: str
    stage: str
    node: str
    clock_ns: int
    detail: Detail = field(default_factory=dict)


def parse(lines: Iterable[str], node: str = "") -> Iterator[Event]:
    """Read ``events.jsonl``; a line that cannot be read becomes an event of stage ``unreadable``.

    A process killed during a write leaves an incomplete line. ``continuum.measure.trace.build`` counts such
    lines.

    Args:
        lines: JSON objects with the keys ``KEY_...`` of ``continuum.sdk.protocol``.
        node: name to use if a line names no node or is unreadable.
    """
    for line in lines:
        if line.strip():
            yield _event(line, node)


def _event(line: str, node: str) -> Event:
    try:
        record = json.loads(line)
        clock_ns = record[protocol.KEY_CLOCK]
        if isinstance(clock_ns, bool) or not isinstance(clock_ns, int):
            raise TypeError(clock_ns)
        detail = record.get(protocol.KEY_DETAIL) or {}
        if not isinstance(detail, dict):
            raise TypeError(detail)
        request, stage = str(record[protocol.KEY_REQUEST]), str(record[protocol.KEY_STAGE])
        return Event(request, stage, str(record.get(protocol.KEY_NODE, node)), clock_ns, detail)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Event("", UNREADABLE, node, 0)


def read(raw: Path) -> Iterator[Event]:
    """Every event in ``raw``/<node>/<workload>-<replica>/events.jsonl, in the order of names."""
    for path in sorted(raw.glob(f"*/*/{protocol.EVENTS_FILE}")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from parse(lines, node=path.parent.parent.name)
