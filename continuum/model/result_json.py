"""Converts between the dataclasses of a result and JSON values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from continuum.model.benchmark import Benchmark, Lifecycle, RequestCounts
from continuum.model.fidelity import (
    Burst,
    Disturbance,
    During,
    Fidelity,
    LinkTraffic,
    NodeStrain,
    Processors,
    Reading,
    SentinelDelay,
)
from continuum.model.repeat import Repeat
from continuum.model.summary import Summary

T = TypeVar("T")


def benchmark(data: Mapping[str, Any] | None) -> Benchmark | None:
    """The benchmark of a result from its JSON object; None if the run has none."""
    if data is None:
        return None
    names = ("end_to_end_ms", "lateness_ms", "queue_depth")
    summaries = {name: summary(data[name]) for name in names if name in data}
    stages_ms = {stage: summary(one) for stage, one in data.get("stages_ms", {}).items()}
    nested = {
        **summaries,
        "requests": make(RequestCounts, data.get("requests", {})),
        "stages": tuple(data.get("stages", stages_ms)),
        "stages_ms": stages_ms,
    }
    return make(Benchmark, {**data, **nested})


def lifecycle(data: Mapping[str, Any] | None) -> Lifecycle | None:
    """The lifecycle statistics of a result from their JSON object; None if the run has none."""
    if data is None:
        return None
    times = {
        name: {stage: summary(one) for stage, one in data.get(name, {}).items()}
        for name in ("since_created_ms", "step_ms")
    }
    return make(Lifecycle, {**data, **times, "stages": tuple(data.get("stages", ()))})


def repeat(data: Mapping[str, Any]) -> Repeat:
    """Which repeat a run is, from its JSON object; ValueError or TypeError if it is none."""
    found = make(Repeat, data)
    return Repeat(int(found.number), int(found.of), str(found.group))


def summary(data: Mapping[str, Any]) -> Summary:
    """Summary statistics from their JSON object."""
    found = make(Summary, data)
    return dataclasses.replace(
        found, intervals={name: (low, high) for name, (low, high) in found.intervals.items()}
    )


_DURING: Mapping[str, type] = {
    "links": LinkTraffic,
    "sentinels": SentinelDelay,
    "nodes": NodeStrain,
    "readings": Reading,
    "disturbances": Disturbance,
}


def fidelity(data: Mapping[str, Any] | None) -> Fidelity:
    """What disturbed the run, from its JSON object; empty for a result without one."""
    found = data or {}
    slow = tuple(processors(row) for row in found.get("processors", ()))
    during = found.get("during")
    if during is None:
        return Fidelity(None, slow)
    rows: dict[str, tuple[Any, ...]] = {
        name: tuple(make(kind, row) for row in during.get(name, ())) for name, kind in _DURING.items()
    }
    watched = make(During, {**during, **rows, "unwatched": tuple(during.get("unwatched", ()))})
    return Fidelity(watched, slow)


def processors(data: Mapping[str, Any]) -> Processors:
    """The speed of processors from its JSON object."""
    return make(Processors, {**data, "bursts": tuple(make(Burst, row) for row in data.get("bursts", ()))})


def make(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from JSON; ignores entries that it does not know."""
    names = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in data.items() if name in names})


def plain(value: Any) -> Any:
    """Convert dataclasses, tuples and paths to JSON values; NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if dataclasses.is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(inner) for inner in value]
    return value.item() if hasattr(value, "item") else str(value)
