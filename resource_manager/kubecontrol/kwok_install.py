"""Adds simulated nodes to a cluster: starts KWOK on its control plane and creates a Node for each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from resource_manager.kubecontrol import api_json, simulated_nodes
from resource_manager.kubernetes.api import (
    Api,
    NodeFacts,
    call_api,
    connect,
    control_plane_of,
    gather_facts,
    install,
    node_files,
    node_transfer,
    pki,
)

HERE = Path(__file__).parent
GROUP = "kwok"
ADDRESS, PODS = "198.19.255.254", "198.18.0.0/16"
"""Address of all simulated nodes, and those of pods on them: of a network reserved for benchmarks (RFC 2544).
No host has one of them."""

READY_TIMEOUT_S = 120.0
EACH_TIMEOUT_S = 0.5
"""What each node adds to the time-out of all."""

PARALLEL = 16
_CONFIGURATION = PurePosixPath("/var/lib/continuum/kwok.tar")
_PROGRAM, _TEXT = 0o755, 0o644
_FILES = {
    "/etc/continuum/kwok.sh": ("kwok.sh", _PROGRAM),
    "/etc/continuum/start-kwok.sh": ("start-kwok.sh", _PROGRAM),
}
_SERVICE = {"/etc/systemd/system/kwok.service": ("kwok.service", _TEXT)}
_POLL_S = 0.5
_SHOWN = 3


def add(deployment: Deployment, run: Run, needed: Sequence[Artifact], count: int) -> None:
    """Add simulated nodes to a cluster that is Ready; those that exist are left as they are.

    Raises:
        DeployError: KWOK cannot be started, or nodes do not become Ready in time.
    """
    control_plane, names = control_plane_of(deployment), simulated_nodes.names(count)
    with install.step(run, "KWOK"):
        paths = artifacts.resolve(needed, run.config, run.tell)
        node_transfer.programs(deployment.connections[control_plane], paths)
        _start(deployment, run, control_plane)
    with install.step(run, f"{count} simulated nodes"), connect(deployment, run) as api:
        create(api, names)
        wait_ready(api, names, (READY_TIMEOUT_S + EACH_TIMEOUT_S * count) * api.timeout_scale)


def configuration(facts: NodeFacts) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file of KWOK, by path; pure."""
    wanted = _FILES | (_SERVICE if facts.has_systemd else {})
    values = {"facts": facts, "selector": simulated_nodes.selector(), "address": ADDRESS, "pods": PODS}
    return {
        path: (node_files.render(name, values, HERE / "templates").encode(), mode)
        for path, (name, mode) in wanted.items()
    }


def _start(deployment: Deployment, run: Run, node: str) -> None:
    facts = gather_facts(deployment, [node])[node]
    own = pki.folder(run) / "kwok.tar"
    own.write_bytes(node_files.archive(configuration(facts)))
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
    """Create the nodes that are missing."""
    existing = {one["metadata"]["name"] for one in _listed(api)}
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda name: _create(api, name), [name for name in names if name not in existing]))


def _create(api: Api, name: str) -> None:
    call_api(
        api.core.create_node,
        simulated_nodes.node(name),
        what=f"{name}: the API refuses this simulated node",
        timeout_scale=api.timeout_scale,
        exists_ok=True,
    )


def wait_ready(api: Api, names: Sequence[str], timeout_s: float) -> None:
    """Wait until pods can be placed on all of these nodes; DeployError says how many are missing, and why."""
    deadline = time.monotonic() + timeout_s
    while missing := _missing(api, names):
        if time.monotonic() > deadline:
            some = "; ".join(f"{name}: {why}" for name, why in missing[:_SHOWN])
            raise DeployError(
                f"{len(missing)} of {len(names)} simulated nodes take no pods after {timeout_s:g} s ({some});"
                " give the control plane more cores, or write a smaller kwok; KWOK's log is /var/log/kwok.log"
                " or in journalctl -u kwok there"
            )
        time.sleep(_POLL_S)


def _missing(api: Api, names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of nodes that take no pods yet, and why; all of them while the API is too busy to answer."""
    try:
        return list(simulated_nodes.not_ready(names, _listed(api)))
    except DeployError as error:
        return [(name, str(error)) for name in names]


def _listed(api: Api) -> list[dict[str, Any]]:
    return api_json.listed(
        api.core.list_node, label_selector=simulated_nodes.selector(), resource_version="0"
    )
