"""What KWOK's log tells about simulated pods: when the API had taken their being Ready. Pure.

KWOK plays a pod's first stage, with which it runs and is Ready at once, by one change of its status, and says
so when the API has answered (``Patch pod``, ``pkg/kwok/controllers/pod_controller.go``). The API itself
tells whole seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from continuum.model.marks import READY, STARTED
from resource_manager.kubecontrol.told import Told, stamp

SAYS = "Patch pod"


def read(lines: Iterable[str], node: str, born_ns: Mapping[str, int]) -> Iterator[Told]:
    """The lives of simulated pods; what is said of others, or of earlier ones of their names, is passed over.

    Args:
        lines: of KWOK's log, JSON each.
        node: where it runs, whose clock it reads.
        born_ns: by name of each pod that counts, when it was created at the earliest, in ns since 1970.
    """
    told: set[str] = set()
    for line in lines:
        if (said := _said(line)) is None:
            continue
        name, wall_ns, error_ns = said
        if name in born_ns and name not in told and wall_ns >= born_ns[name]:
            told.add(name)
            for stage in (STARTED, READY):
                yield Told(name, stage, wall_ns, node, error_ns=error_ns)


def _said(line: str) -> tuple[str, int, int] | None:
    """Name of a pod, and when its status had been changed; None for a line that says nothing of it."""
    if SAYS not in line:
        return None
    try:
        said = json.loads(line)
        wall_ns, error_ns = stamp(said["time"])
        return str(said["pod"]).rpartition("/")[2], wall_ns, error_ns
    except (ValueError, KeyError, TypeError):
        return None
