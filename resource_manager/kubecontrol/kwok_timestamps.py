"""Timestamps of simulated pods from KWOK's log: when the API accepted that they are Ready. Pure.

KWOK plays a pod's first stage, with which it runs and is Ready at once, by one change of its status, and logs
``Patch pod`` when the API has answered (``pkg/kwok/controllers/pod_controller.go``). The API itself reports
whole seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from continuum.model.marks import READY, STARTED
from resource_manager.kubecontrol.pod_timestamps import PodTimestamp, parse_timestamp

PATCHED = "Patch pod"


def read(lines: Iterable[str], node: str, created_ns: Mapping[str, int]) -> Iterator[PodTimestamp]:
    """The timestamps of simulated pods; lines about other or earlier pods are skipped.

    Args:
        lines: of KWOK's log, JSON each.
        node: where KWOK runs, whose clock it reads.
        created_ns: by name of each pod that counts, its earliest possible creation, in ns since 1970.
    """
    seen: set[str] = set()
    for line in lines:
        if (patched := _patched(line)) is None:
            continue
        name, wall_ns, error_ns = patched
        if name in created_ns and name not in seen and wall_ns >= created_ns[name]:
            seen.add(name)
            for stage in (STARTED, READY):
                yield PodTimestamp(name, stage, wall_ns, node, error_ns=error_ns)


def _patched(line: str) -> tuple[str, int, int] | None:
    """Name of a pod, when its status was changed and the error of that; None for other lines."""
    if PATCHED not in line:
        return None
    try:
        entry = json.loads(line)
        wall_ns, error_ns = parse_timestamp(entry["time"])
        return str(entry["pod"]).rpartition("/")[2], wall_ns, error_ns
    except (ValueError, KeyError, TypeError):
        return None
