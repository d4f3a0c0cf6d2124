"""Collects timestamps of pods from every source: the API, KWOK, and the log of each node's containerd."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from continuum.connection import Connection
from continuum.measure import clock
from resource_manager.kubecontrol import (
    api_json,
    api_timestamps,
    containerd_timestamps,
    kwok_timestamps,
)
from resource_manager.kubecontrol.pod_timestamps import PodTimestamp, WallClock
from resource_manager.kubernetes.api import NAMESPACE, Api, wall_offsets

PARALLEL = 16
_TIMEOUT_S = 60.0
_LOG = "cat /var/log/containerd.log 2>/dev/null || journalctl -q -b -o cat -u containerd"
_KWOK_LOG = (
    "if [ -e /var/log/kwok.log ]; then cat /var/log/kwok.log; else journalctl -q -b -o cat -u kwok; fi"
    f" | grep '{kwok_timestamps.PATCHED}' || :"
)


def collect(
    api: Api,
    ways: Mapping[str, Connection],
    nodes: Sequence[str],
    names: AbstractSet[str],
    control_plane: str,
) -> Iterator[PodTimestamp]:
    """The timestamps of some pods from all sources.

    Args:
        api: the cluster's.
        ways: the connection to each node.
        nodes: the real nodes that the pods are on.
        names: of the pods.
        control_plane: node that runs API server and scheduler.
    """
    every = api_json.listed(api.core.list_namespaced_pod, NAMESPACE)
    pods = [pod for pod in every if pod["metadata"]["name"] in names]
    uids = {str(pod["metadata"].get("uid", "")) for pod in pods}
    for pod in pods:
        yield from api_timestamps.of_pod(pod, control_plane)
    events = api_json.listed(api.core.list_namespaced_event, NAMESPACE)
    yield from api_timestamps.of_events(events, control_plane, uids)
    if simulated := [pod for pod in pods if api_timestamps.is_simulated(pod)]:
        created_ns = {str(pod["metadata"]["name"]): api_timestamps.earliest_ns(pod) for pod in simulated}
        log = ways[control_plane].run(["sh", "-c", _KWOK_LOG], timeout=_TIMEOUT_S).stdout
        yield from kwok_timestamps.read(log.splitlines(), control_plane, created_ns)
    with ThreadPoolExecutor(PARALLEL) as pool:
        logs = pool.map(lambda node: ways[node].run(["sh", "-c", _LOG], timeout=_TIMEOUT_S).stdout, nodes)
        for node, log in zip(nodes, logs, strict=True):
            yield from containerd_timestamps.read(log.splitlines(), node, uids)


def wall_clocks(ways: Mapping[str, Connection], pythons: Mapping[str, str]) -> dict[str, WallClock]:
    """The wall clock of each node, compared with the CLOCK_MONOTONIC of this machine.

    Args:
        ways: the connection to each node.
        pythons: the interpreter of each.
    """
    monotonic, wall = clock.measure_all(ways), wall_offsets(ways, pythons)
    return {
        name: WallClock(
            wall[name].offset_ns + monotonic[name].offset_ns, wall[name].error_ns + monotonic[name].error_ns
        )
        for name in ways
    }


def keep(timestamps: Iterable[PodTimestamp], path: Path) -> None:
    """Write all timestamps to a file, one JSON object a line, from which marks can be traced to sources."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in timestamps), encoding="utf-8")
