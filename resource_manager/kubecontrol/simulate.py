"""Adds simulated nodes to a cluster: KWOK on its control plane, and a Node for each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from resource_manager.kubecontrol import plain, simulated
from resource_manager.kubernetes import client, cluster_nodes, facts, files, install, pki, transfer
from resource_manager.kubernetes.asking import patiently
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.facts import Facts

HERE = Path(__file__).parent
GROUP = "kwok"
ADDRESS, PODS = "198.19.255.254", "198.18.0.0/16"
"""Address of all simulated nodes, and those of pods on them: of a network that is set aside for benchmarks
(RFC 2544). Nobody listens there."""

READY_TIMEOUT_S = 120.0
EACH_TIMEOUT_S = 0.5
"""What each node may take more."""

PARALLEL = 16
_CONFIGURATION = PurePosixPath("/var/lib/continuum/kwok.tar")
_PROGRAM, _TEXT = 0o755, 0o644
_FILES = {
    "/etc/continuum/kwok.sh": ("kwok.sh", _PROGRAM),
    "/etc/continuum/start-kwok.sh": ("start-kwok.sh", _PROGRAM),
}
_SERVICE = {"/etc/systemd/system/kwok.service": ("kwok.service", _TEXT)}
_POLL_S = 0.5
_REQUEST_TIMEOUT_S = 30.0
_TAKEN = 409
_SHOWN = 3


def add(deployment: Deployment, run: Run, needed: Sequence[Artifact], count: int) -> None:
    """Add simulated nodes to a cluster that is Ready; those that are there are left as they are.

    Raises:
        DeployError: KWOK cannot be started, or nodes do not become Ready in time.
    """
    node = cluster_nodes.members(deployment.nodes, shape_management=False)[0].name
    way, names = deployment.connections[node], simulated.names(count)
    with install.step(run, "KWOK"):
        paths = artifacts.obtain(needed, run.config, run.tell)
        transfer.programs(way, paths)
        _start(deployment, run, node)
    kubeconfig = pki.folder(run) / client.KUBECONFIG
    with install.step(run, f"{count} simulated nodes"), client.connect(way, kubeconfig) as api:
        create(api, names)
        wait_ready(api, names, READY_TIMEOUT_S + EACH_TIMEOUT_S * count)


def configuration(known: Facts) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file of KWOK's, by path; pure."""
    wanted = _FILES | (_SERVICE if known.has_systemd else {})
    values = {"facts": known, "selector": simulated.selector(), "address": ADDRESS, "pods": PODS}
    return {
        path: (files.render(name, values, HERE / "templates").encode(), mode)
        for path, (name, mode) in wanted.items()
    }


def _start(deployment: Deployment, run: Run, node: str) -> None:
    known = facts.gather(deployment, [node])[node]
    own = pki.folder(run) / "kwok.tar"
    own.write_bytes(files.archive(configuration(known)))
    deployment.connections[node].put(own, _CONFIGURATION)
    played = playbooks.play(
        HERE / "playbooks" / "kwok.yml",
        deployment,
        run,
        nodes=[node],
        groups={GROUP: [node]},
        variables={"kwok_files": str(_CONFIGURATION)},
    )
    install.record_tasks(run, played)


def create(api: Api, names: Sequence[str]) -> None:
    """Make the nodes that are missing."""
    there = {one["metadata"]["name"] for one in _listed(api)}
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda name: _create(api, name), [name for name in names if name not in there]))


def _create(api: Api, name: str) -> None:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    call = partial(api.core.create_node, simulated.node(name), _request_timeout=_REQUEST_TIMEOUT_S)
    try:
        patiently(call, api.timeout_scale)
    except ApiException as error:
        if error.status != _TAKEN:
            raise DeployError(f"{name}: the API refuses this simulated node: {error.body}") from error
    except (HTTPError, OSError) as error:
        raise DeployError(f"{name}: the API does not take this simulated node: {error}") from error


def wait_ready(api: Api, names: Sequence[str], timeout_s: float) -> None:
    """Wait until pods can be put on all of these nodes; DeployError says how many are not there, and why."""
    deadline = time.monotonic() + timeout_s
    while lacks := _lacks(api, names):
        if time.monotonic() > deadline:
            some = "; ".join(f"{name}: {why}" for name, why in lacks[:_SHOWN])
            raise DeployError(
                f"{len(lacks)} of {len(names)} simulated nodes take no pods after {timeout_s:g} s ({some});"
                " give the control plane more cores, or write a smaller kwok; KWOK's log is /var/log/kwok.log"
                " or in journalctl -u kwok there"
            )
        time.sleep(_POLL_S)


def _lacks(api: Api, names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of nodes that take no pods yet, and why; all of them while the API is too busy to say."""
    try:
        return list(simulated.lacking(names, _listed(api)))
    except DeployError as error:
        return [(name, str(error)) for name in names]


def _listed(api: Api) -> list[dict[str, Any]]:
    return plain.listed(api.core.list_node, label_selector=simulated.selector(), resource_version="0")
