"""When a pod reached a stage of its lifecycle, as sources report it, and marks of instances from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from continuum.model.marks import Mark

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class PodTimestamp:
    """A pod, or one of its containers, reached a stage of its lifecycle at this time.

    Attributes:
        pod: the pod's name.
        stage: one of ``lifecycle.STAGES``.
        wall_ns: wall-clock time, in ns since 1970.
        clock: node whose wall clock that is.
        container: the container; empty for all of the pod's.
        error_ns: largest possible error.
    """

    pod: str
    stage: str
    wall_ns: int
    clock: str
    container: str = ""
    error_ns: int = 0


@dataclass(frozen=True)
class WallClock:
    """The wall clock of a node.

    Attributes:
        ahead_ns: its reading minus that of the reference clock, which is CLOCK_MONOTONIC of this machine.
        error_ns: largest possible error of that.
    """

    ahead_ns: int
    error_ns: int = 0


@dataclass(frozen=True)
class Instance:
    """A container that is one instance of a workload.

    Attributes:
        name: of the instance.
        pod: its pod.
        container: its name in the pod.
        node: where it runs; empty where that is not known.
        simulated: whether that is a simulated node.
    """

    name: str
    pod: str
    container: str
    node: str = ""
    simulated: bool = False


def parse_timestamp(text: str) -> tuple[int, int]:
    """An RFC 3339 time, as the API and logs have it: ns since 1970, and its largest possible error.

    A time without a fraction is anywhere in its second, so the middle of that second is returned.

    Raises:
        ValueError: the text is no such time.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    moment, fraction, zone = match.groups()
    whole = datetime.fromisoformat(moment + ("+00:00" if zone == "Z" else zone))
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    seconds_ns = (since.days * 86_400 + since.seconds) * _SECOND_NS
    if fraction is None:
        return seconds_ns + _SECOND_NS // 2, _SECOND_NS // 2
    return seconds_ns + int(fraction[:9].ljust(9, "0")), 0


def marks(
    timestamps: Iterable[PodTimestamp], instances: Iterable[Instance], clocks: Mapping[str, WallClock]
) -> Iterator[Mark]:
    """Timestamps of pods as marks of the instances in them; those of other pods are left out.

    Args:
        timestamps: from any source, in any order.
        instances: the containers that count.
        clocks: the wall clock of each node; timestamps of other clocks are left out.
    """
    by_pod: dict[str, list[Instance]] = {}
    for instance in instances:
        by_pod.setdefault(instance.pod, []).append(instance)
    for one in timestamps:
        clock = clocks.get(one.clock)
        if clock is None:
            continue
        for instance in by_pod.get(one.pod, ()):
            if one.container in ("", instance.container):
                yield Mark(
                    instance.name,
                    one.stage,
                    one.wall_ns - clock.ahead_ns,
                    node=instance.node,
                    error_ns=one.error_ns + clock.error_ns,
                    simulated=instance.simulated,
                )
