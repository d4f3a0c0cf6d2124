"""Asks all who know something of the lives of pods: the API, and the log of each node's containerd."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from continuum.connection import Connection
from continuum.measure import clock
from resource_manager.kubecontrol import api as telling
from resource_manager.kubecontrol import containerd, kwok, plain
from resource_manager.kubecontrol.told import Told, Wall
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.pods import NAMESPACE

PARALLEL = 16
_TIMEOUT_S = 60.0
_LOG = "cat /var/log/containerd.log 2>/dev/null || journalctl -q -b -o cat -u containerd"
_KWOK_LOG = (
    "if [ -e /var/log/kwok.log ]; then cat /var/log/kwok.log; else journalctl -q -b -o cat -u kwok; fi"
    f" | grep '{kwok.SAYS}' || :"
)
_READINGS = 20
_CLOCKS = f"""
import time
best = None
for _ in range({_READINGS}):
    before = time.monotonic_ns(); wall = time.time_ns(); after = time.monotonic_ns()
    if best is None or after - before < best[0]:
        best = after - before, wall - (before + after) // 2
print(*best)
"""


def ask(
    api: Api,
    ways: Mapping[str, Connection],
    nodes: Sequence[str],
    names: AbstractSet[str],
    control_plane: str,
) -> Iterator[Told]:
    """What is told of some pods.

    Args:
        api: the cluster's.
        ways: the way to each node.
        nodes: those that the pods are on, without simulated ones.
        names: of the pods.
        control_plane: node that runs API server and scheduler.
    """
    every = plain.listed(api.core.list_namespaced_pod, NAMESPACE)
    pods = [one for one in every if one["metadata"]["name"] in names]
    uids = {str(one["metadata"]["uid"]) for one in pods}
    for one in pods:
        yield from telling.pod(one, control_plane)
    events = plain.listed(api.core.list_namespaced_event, NAMESPACE)
    yield from telling.events(events, control_plane, uids)
    if fake := [one for one in pods if telling.is_simulated(one)]:
        born_ns = {str(one["metadata"]["name"]): telling.born_ns(one) for one in fake}
        log = ways[control_plane].run(["sh", "-c", _KWOK_LOG], timeout=_TIMEOUT_S).stdout
        yield from kwok.read(log.splitlines(), control_plane, born_ns)
    with ThreadPoolExecutor(PARALLEL) as pool:
        logs = pool.map(lambda node: ways[node].run(["sh", "-c", _LOG], timeout=_TIMEOUT_S).stdout, nodes)
        for node, log in zip(nodes, logs, strict=True):
            yield from containerd.read(log.splitlines(), node, uids)


def walls(ways: Mapping[str, Connection], pythons: Mapping[str, str]) -> dict[str, Wall]:
    """What the wall clock of each node reads, against the clock of this machine.

    Args:
        ways: the way to each node.
        pythons: the interpreter of each.
    """
    offsets = clock.measure_all(ways)

    def read(name: str) -> Wall:
        said = ways[name].run([pythons[name], "-I", "-S", "-c", _CLOCKS], timeout=_TIMEOUT_S).stdout.split()
        took_ns, ahead_ns = int(said[0]), int(said[1])
        return Wall(ahead_ns + offsets[name].offset_ns, took_ns + offsets[name].error_ns)

    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(zip(ways, pool.map(read, ways), strict=True))


def keep(told: Iterable[Told], path: Path) -> None:
    """Write down what was told, for whoever wants to know how a life came about."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in told), encoding="utf-8")
