"""What somebody says about the life of a pod: common form of all sources, and the way to instances. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from continuum.model.marks import Mark

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Told:
    """Somebody says when a pod, or one of its containers, reached a stage of its life.

    Attributes:
        pod: the pod's name.
        stage: one of ``marks.STAGES``.
        wall_ns: wall-clock time, in ns since 1970.
        clock: node whose wall clock that is.
        container: the container; empty for all of the pod's.
        error_ns: how far from the truth it may be.
    """

    pod: str
    stage: str
    wall_ns: int
    clock: str
    container: str = ""
    error_ns: int = 0


@dataclass(frozen=True)
class Wall:
    """How a node's wall clock reads.

    Attributes:
        ahead_ns: what it is ahead of the reference clock, which is not even near.
        error_ns: how far from the truth that may be.
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


def stamp(text: str) -> tuple[int, int]:
    """A time as the API and logs write it (RFC 3339): ns since 1970, and how far off that may be.

    Where only whole seconds are told, the true time is somewhere in that second, so its middle is taken.

    Raises:
        ValueError: it is none.
    """
    match = _STAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    moment, fraction, zone = match.groups()
    whole = datetime.fromisoformat(moment + ("+00:00" if zone == "Z" else zone))
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    seconds_ns = (since.days * 86_400 + since.seconds) * _SECOND_NS
    if fraction is None:
        return seconds_ns + _SECOND_NS // 2, _SECOND_NS // 2
    return seconds_ns + int(fraction[:9].ljust(9, "0")), 0


def marks(told: Iterable[Told], instances: Iterable[Instance], walls: Mapping[str, Wall]) -> Iterator[Mark]:
    """What is told of pods as marks of the instances in them; what concerns none of them is left out.

    Args:
        told: by any source, in any order.
        instances: the containers that count.
        walls: the wall clock of each node; what is told by others cannot be placed and is left out.
    """
    by_pod: dict[str, list[Instance]] = {}
    for instance in instances:
        by_pod.setdefault(instance.pod, []).append(instance)
    for one in told:
        wall = walls.get(one.clock)
        if wall is None:
            continue
        for instance in by_pod.get(one.pod, ()):
            if one.container in ("", instance.container):
                yield Mark(
                    instance.name,
                    one.stage,
                    one.wall_ns - wall.ahead_ns,
                    node=instance.node,
                    error_ns=one.error_ns + wall.error_ns,
                    simulated=instance.simulated,
                )
