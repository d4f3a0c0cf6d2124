"""What is asked of the Docker daemon for nodes: make, limit, find and remove containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from continuum.errors import ProvisionError
from continuum.host.cgroup import find
from continuum.host.cgroup.node import NodeGroups
from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from infrastructure.docker import cgroups, containers
from infrastructure.docker.containers import LABEL_RUN
from infrastructure.docker.engine_api import DaemonError, client, worded

T = TypeVar("T")

PARALLEL = 8
_NOT_FOUND, _BEING_REMOVED = 404, 409


class Started(NamedTuple):
    """A container that runs.

    Attributes:
        ident: its id.
        pid: its process 1, in this host's numbers.
        warnings: what of its settings the daemon left out, in its words.
    """

    ident: str
    pid: int
    warnings: tuple[str, ...]


def everywhere(action: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
    """Do something for all at the same time; the first error after all have come to their end."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = [pool.submit(action, item) for item in items]
    return [future.result() for future in futures]


def disk(url: str, specs: Sequence[NodeSpec]) -> str:
    """The disk that holds the containers' files, where a node's throughput is limited; else empty."""
    if not any(spec.read_mb_per_s or spec.write_mb_per_s for spec in specs):
        return ""
    with worded(url):
        root = Path(client(url).info()["DockerRootDir"])
    try:
        number = find.disk_of(root)
        event = Path(f"/sys/dev/block/{number}/uevent").read_text(encoding="ascii") if number else ""
    except OSError:
        return ""
    names = [line.partition("=")[2] for line in event.splitlines() if line.startswith("DEVNAME=")]
    return f"/dev/{names[0]}" if names else ""


def start(url: str, request: tuple[str, dict[str, Any]]) -> Started:
    """Make and start a container, from its name and settings; ProvisionError when it cannot be."""
    name, settings = request
    node = settings["Hostname"]
    try:
        with worded(url, f"{node}: container {name}"):
            api = client(url)
            made = api.create_container_from_config(settings, name)
            ident = str(made["Id"])
            api.start(ident)
            pid = int(api.inspect_container(ident)["State"]["Pid"])
            return Started(ident, pid, tuple(made.get("Warnings") or ()))
    except DaemonError as error:
        raise ProvisionError(str(error)) from error


def enforce(node: Node) -> tuple[str, ...]:
    """Put a node's CPU quota in force, and those of its workloads; what the daemon cannot do of it."""
    url = str(node.handle["daemon"])
    try:
        with worded(url, f"{node.name}: CPU quota"):
            quota = containers.quota(node.spec.cpu_limit)
            answer = client(url).update_container(node.handle["container"], **quota)
        if cgroups.bounds_workloads(node):
            NodeGroups.of(node).enforce()
        return tuple(answer.get("Warnings") or ())
    except (DaemonError, OSError) as error:
        raise ProvisionError(f"{node.name}: CPU quota: {error}") from error


def labelled(url: str, label: str) -> list[dict[str, Any]]:
    """The containers that carry a label, whatever their state."""
    with worded(url):
        found: list[dict[str, Any]] = client(url).containers(all=True, filters={"label": label})
    return found


def remove_all(url: str, run_id: str, names: Iterable[str]) -> None:
    """Remove containers until the daemon knows of none: one that was being made may come late."""
    label = f"{LABEL_RUN}={run_id}"
    left = {*names, *(one["Id"] for one in labelled(url, label))}
    while left:
        everywhere(partial(_remove, url), left)
        left = {one["Id"] for one in labelled(url, label)}


def _remove(url: str, container: str) -> None:
    try:
        with worded(url, f"container {container}"):
            client(url).remove_container(container, force=True, v=True)
    except DaemonError as error:
        if error.status not in {_NOT_FOUND, _BEING_REMOVED}:
            raise
