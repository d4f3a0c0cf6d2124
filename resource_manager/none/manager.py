"""Starts workloads directly on nodes, all replicas in parallel."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

import continuum
from continuum.connection.deployment import Deployment
from continuum.model.limits import Limits
from continuum.model.node import Node
from continuum.model.workload import Workload
from continuum.modules.resource_manager import ResourceManager
from continuum.rundir.run import Run
from continuum.sdk import protocol
from continuum.software.packages.source_root import source_root
from resource_manager.none.direct_job import DirectJob, Replica

if TYPE_CHECKING:
    from continuum.software.packages.deliver import Installed

PARALLEL_STARTS = 16
SUPPLIED = "supplied"
"""Table of a run: the packages installed for its workloads, by node."""

CHECKOUT = Path(continuum.__file__).parent.parent


class NoManager(ResourceManager):
    """No resource manager: programs are started on nodes as they are."""

    summary: ClassVar[str] = "no resource manager: workloads are started directly on the nodes"
    offers: ClassVar[tuple[str, ...]] = ("processes",)

    def supply(self, workloads: Sequence[Workload], deployment: Deployment, run: Run) -> None:
        """Install packages on all nodes at the same time; workloads that share a node take turns."""

        def bring(together: Sequence[Workload]) -> None:
            for workload in together:
                nodes = [node for node, number in _places(workload, deployment) if number == 0]
                for node, placed in _packages(workload, nodes, deployment).items():
                    run.record(SUPPLIED, workload=workload.name, node=node, package=asdict(placed))

        groups = taking_turns(
            {one.name: {node.name for node, _ in _places(one, deployment)} for one in workloads}
        )
        by_name = {one.name: one for one in workloads}
        with ThreadPoolExecutor(PARALLEL_STARTS) as pool:
            list(pool.map(bring, [[by_name[name] for name in group] for group in groups]))

    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> DirectJob:
        """Copy the workload's files and start every replica."""
        places = tuple(_places(workload, deployment))
        packages = _supplied(workload, run)
        if not packages:
            packages = _packages(workload, [node for node, number in places if number == 0], deployment)
        with ThreadPoolExecutor(PARALLEL_STARTS) as pool:
            starts = [
                pool.submit(_start, workload, node, number, deployment, run, packages.get(node.name))
                for node, number in places
            ]
        replicas = [start.result() for start in starts if not start.exception()]
        job = DirectJob(workload, replicas, lambda: _record(workload, packages, job, run))
        for start in starts:
            if error := start.exception():
                job.cancel()
                raise error
        return job


def _supplied(workload: Workload, run: Run) -> Mapping[str, Installed]:
    """The workload's packages that ``supply`` has installed, by node; empty if it has not."""
    from continuum.software.packages.deliver import Installed

    rows = (row for row in run.records(SUPPLIED) if row["workload"] == workload.name)
    return {row["node"]: Installed(**row["package"]) for row in rows}


def _places(workload: Workload, deployment: Deployment) -> Iterator[tuple[Node, int]]:
    """Every (node, replica number) the workload runs at."""
    for node in deployment.nodes_of(workload.tier):
        if not workload.nodes or node.name in workload.nodes:
            for number in range(workload.replicas_per_node):
                yield node, number


def taking_turns(nodes: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of names such that those of different groups have no node in common; pure.

    Args:
        nodes: the nodes of each.
    """
    groups: list[tuple[list[str], set[str]]] = []
    for name, mine in nodes.items():
        touched = [group for group in groups if group[1] & mine]
        merged = [one for names, _ in touched for one in names] + [name]
        groups = [group for group in groups if group not in touched]
        groups.append((merged, mine.union(*(places for _, places in touched))))
    return [names for names, _ in groups]


def _packages(workload: Workload, nodes: Sequence[Node], deployment: Deployment) -> Mapping[str, Installed]:
    """Install the workload's package on nodes that do not share this host's Python."""
    if all(node.shares_host for node in nodes):
        return {}
    from continuum.software.packages import deliver

    return deliver.prepare(workload, nodes, deployment)


def _record(workload: Workload, packages: Mapping[str, Installed], job: DirectJob, run: Run) -> None:
    """Record for the result how long each node took to get the workload and to start it."""
    started = {replica.node: replica.start_s for replica in job.replicas}
    for node, placed in packages.items():
        run.record(
            "deliveries",
            node=node,
            workload=workload.name,
            build_s=placed.build_s,
            copy_s=placed.copy_s,
            install_s=placed.install_s,
            start_s=started.get(node),
            copied_mb=placed.copied_bytes / 2**20,
        )


def _start(
    workload: Workload, node: Node, number: int, deployment: Deployment, run: Run, placed: Installed | None
) -> Replica:
    created_ns = time.monotonic_ns()
    connection = deployment.connections[node.name]
    folder = PurePosixPath(node.folder) / f"{workload.name}-{number}"
    connection.put(_settings(workload, node, number, run), folder / "workload.json")
    for name, source in workload.files.items():
        connection.put(source, folder / name)
    log = run.directory / "logs" / f"{node.name}-{workload.name}-{number}.log"
    process = connection.start(
        _argv(workload, node, folder, placed),
        env={**workload.environment, **_identity(workload, node, number, run, placed)},
        log=log,
        limits=Limits(workload.cpu_cores, workload.memory_mb),
    )
    return Replica(node.name, f"{workload.name}-{number}", folder, connection, process, log, created_ns)


def _argv(workload: Workload, node: Node, folder: PurePosixPath, placed: Installed | None) -> list[str]:
    """The command, begun in the replica's folder."""
    python = placed.python if placed else node.python
    argv = [python if word == "{python}" else word for word in workload.argv]
    return ["/usr/bin/env", f"--chdir={folder}", *argv]


def _identity(
    workload: Workload, node: Node, number: int, run: Run, placed: Installed | None
) -> dict[str, str]:
    return {
        protocol.ENV_NODE: node.name,
        protocol.ENV_NODE_ADDRESS: node.address,
        protocol.ENV_WORKLOAD: workload.name,
        protocol.ENV_REPLICA: str(number),
        protocol.ENV_RUN: run.id,
        "PYTHONPATH": placed.code if placed else _source_path(workload),
        "PYTHONUNBUFFERED": "1",
    }


def _source_path(workload: Workload) -> str:
    """Where a node that shares this host's files imports the workload's code from."""
    roots = (source_root(module, CHECKOUT) for module in workload.code)
    return os.pathsep.join(dict.fromkeys(map(str, (CHECKOUT, *roots))))


def _settings(workload: Workload, node: Node, number: int, run: Run) -> Path:
    """A file with command and environment of a replica, which is also copied into its folder."""
    path = run.directory / "logs" / f"{node.name}-{workload.name}-{number}.json"
    text = json.dumps({"argv": workload.argv, "environment": dict(workload.environment)}, indent=1)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return path
