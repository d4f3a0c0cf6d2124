"""Containers at the Docker daemon: create, limit, find and delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from continuum.errors import ProvisionError
from continuum.host.cgroup import find
from continuum.host.cgroup.node import NodeGroups
from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from continuum.modules.resource import Resource, delete_all
from infrastructure.docker import cgroups, container_settings
from infrastructure.docker.container_settings import LABEL_RUN
from infrastructure.docker.engine_api import DaemonError, client, daemon_errors

CONTAINER = "docker-container"
"""Kind of a container in the journal."""

_NOT_FOUND, _BEING_REMOVED = 404, 409


class Started(NamedTuple):
    """A container that runs.

    Attributes:
        ident: its id.
        pid: process id, on this host, of its process 1.
        warnings: the daemon's messages about settings that it ignores.
    """

    ident: str
    pid: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Container(Resource[Started]):
    """One container.

    Attributes:
        url: the daemon's socket.
        name: its name; for one that exists, its id will do.
        settings: the body of ``POST /containers/create``.
    """

    url: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = CONTAINER

    def create(self) -> Started:
        """Create and start it; ProvisionError if the daemon refuses."""
        node = self.settings["Hostname"]
        try:
            with daemon_errors(self.url, f"{node}: container {self.name}"):
                api = client(self.url)
                created = api.create_container_from_config(self.settings, self.name)
                ident = str(created["Id"])
                api.start(ident)
                pid = int(api.inspect_container(ident)["State"]["Pid"])
                return Started(ident, pid, tuple(created.get("Warnings") or ()))
        except DaemonError as error:
            raise ProvisionError(str(error)) from error

    def delete(self) -> None:
        """Remove it, running or not; harmless if it does not exist."""
        try:
            with daemon_errors(self.url, f"container {self.name}"):
                client(self.url).remove_container(self.name, force=True, v=True)
        except DaemonError as error:
            if error.status not in {_NOT_FOUND, _BEING_REMOVED}:
                raise


def labelled(url: str, label: str) -> list[dict[str, Any]]:
    """The containers with a label, in any state."""
    with daemon_errors(url):
        found: list[dict[str, Any]] = client(url).containers(all=True, filters={"label": label})
    return found


def delete_containers(url: str, run_id: str) -> None:
    """Delete the containers that have a run's label."""

    def existing() -> list[Container]:
        return [Container(url, str(each["Id"])) for each in labelled(url, f"{LABEL_RUN}={run_id}")]

    delete_all(existing)


def without_label(url: str, run_id: str, names: Collection[str]) -> list[str]:
    """Those of some names or ids that containers without a run's label have."""
    if not names:
        return []
    with daemon_errors(url):
        everything: list[dict[str, Any]] = client(url).containers(all=True)
    others = [each for each in everything if (each.get("Labels") or {}).get(LABEL_RUN) != run_id]
    taken = {name.lstrip("/") for each in others for name in (*(each.get("Names") or ()), str(each["Id"]))}
    return [name for name in names if name in taken]


def disk(url: str, specs: Sequence[NodeSpec]) -> str:
    """Device of the disk with the containers' files, as ``/dev/sda``.

    Empty if no node has a disk limit, or if the files are on no disk of this host that can be throttled.
    """
    if not any(spec.read_mb_per_s or spec.write_mb_per_s for spec in specs):
        return ""
    with daemon_errors(url):
        root = Path(client(url).info()["DockerRootDir"])
    try:
        number = find.disk_of(root)
        event = Path(f"/sys/dev/block/{number}/uevent").read_text(encoding="ascii") if number else ""
    except OSError:
        return ""
    names = [line.partition("=")[2] for line in event.splitlines() if line.startswith("DEVNAME=")]
    return f"/dev/{names[0]}" if names else ""


def enforce(node: Node) -> tuple[str, ...]:
    """Apply the CPU quotas of a node and of its workloads; the daemon's warnings."""
    url = str(node.handle["daemon"])
    try:
        with daemon_errors(url, f"{node.name}: CPU quota"):
            quota = container_settings.quota(node.spec.cpu_limit)
            answer = client(url).update_container(node.handle["container"], **quota)
        if cgroups.bounds_workloads(node):
            NodeGroups.of(node.spec, node.handle["groups"]).enforce()
        return tuple(answer.get("Warnings") or ())
    except (DaemonError, OSError) as error:
        raise ProvisionError(f"{node.name}: CPU quota: {error}") from error
