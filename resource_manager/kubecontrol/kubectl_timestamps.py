"""When each pod was created, from what kubectl logs of its requests with ``-v=6``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone

from continuum.model.marks import CREATED
from resource_manager.kubecontrol.pod_timestamps import PodTimestamp

_KLOG = re.compile(
    r"I(?P<month>\d\d)(?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d)\.(?P<micro>\d{6})\s+\d+ \S+\] (?P<said>.*)"
)
_PLAIN = re.compile(r"POST \S+/pods\S* 201 Created in (?P<ms>\d+) milliseconds")
_STRUCTURED = re.compile(
    r'"Response" verb="POST" url="\S+/pods[^"]*" status="201 Created".* milliseconds=(?P<ms>\d+)'
)
_HALF_MS_NS = 500_000


def created(lines: Iterable[str], names: Sequence[str], year: int, node: str) -> Iterator[PodTimestamp]:
    """When each pod was created: between the request for it and its answer.

    Args:
        lines: standard error of kubectl, run with ``TZ=UTC``.
        names: the pods, in the order of its manifests, which is that of its requests.
        year: in which it ran; its lines have none.
        node: where it ran.

    Raises:
        ValueError: there are more answers than pods.
    """
    answers = list(_answers(lines, year))
    if len(answers) > len(names):
        raise ValueError(f"{len(answers)} pods were created, {len(names)} were wanted")
    for name, (wall_ns, took_ns) in zip(names, answers, strict=False):
        yield PodTimestamp(name, CREATED, wall_ns - took_ns // 2, node, error_ns=took_ns // 2 + _HALF_MS_NS)


def _answers(lines: Iterable[str], year: int) -> Iterator[tuple[int, int]]:
    """WallClock-clock time of each answer, and what it took, in ns."""
    for line in lines:
        head = _KLOG.match(line)
        answer = head and (_PLAIN.search(head["said"]) or _STRUCTURED.search(head["said"]))
        if head and answer:
            day = f"{year}-{head['month']}-{head['day']}T{head['time']}"
            seconds = datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp()
            yield int(seconds) * 1_000_000_000 + int(head["micro"]) * 1000, int(answer["ms"]) * 1_000_000
