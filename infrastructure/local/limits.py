"""A node's limits, as far as this host lets them be set."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection import Limits
from continuum.errors import ConnectionFailure, ProvisionError
from continuum.module import Node, Usage
from continuum.topology import NodeSpec
from infrastructure.local.cgroup import find, groups, plan
from infrastructure.local.cgroup.plan import Group, Layout


@dataclass(frozen=True)
class NodeGroups:
    """The groups of one node.

    Attributes:
        version: 1 or 2; 0 when there are none.
        paths: its groups by controller.
        quota: share of each core the node may use.
        cpu_limit: CPU seconds per second it may use.
    """

    version: int
    paths: Mapping[str, PurePosixPath]
    quota: float
    cpu_limit: float

    @classmethod
    def of(cls, node: Node) -> NodeGroups:
        """Those a node's handle tells of."""
        kept: Mapping[str, Any] = node.handle["groups"]
        paths = {name: PurePosixPath(path) for name, path in kept["paths"].items()}
        return cls(int(kept["version"]), paths, node.spec.quota, node.spec.cpu_limit)

    def folders(self) -> tuple[Path, ...]:
        """Every group once."""
        return tuple(dict.fromkeys(Path(path) for path in self.paths.values()))

    def join(self, limits: Limits) -> tuple[Path, ...]:
        """Make the groups for a process with these limits; the files to write its pid to.

        Raises:
            ConnectionFailure: the limits are refused.
        """
        name = plan.workload_name(limits, secrets.token_hex(4))
        made = [
            Group(path / name, plan.workload_settings(self.version, controller, path / name, limits), copied)
            for controller, path, copied in self._each()
        ]
        try:
            groups.make(made)
            self._enforce_workload(name)
        except OSError as error:
            raise ConnectionFailure(f"limits cannot be set: {error}") from error
        return tuple(dict.fromkeys(Path(group.path) / "cgroup.procs" for group in made))

    def _each(self) -> Iterable[tuple[str, PurePosixPath, tuple[str, ...]]]:
        for controller, path in self.paths.items():
            needs_cpus = controller == "cpuset" and self.version == 1
            yield controller, path, ("cpuset.cpus", "cpuset.mems") if needs_cpus else ()

    def _enforce_workload(self, name: str) -> None:
        """Bound a workload's CPU time, if quotas are in force already."""
        cores, group = plan.workload_cores(name), self.paths.get("cpu")
        if cores is None or group is None or not groups.quota_in_force(Path(group), self.version):
            return
        limit = plan.workload_limit(cores, self.quota, self.cpu_limit)
        groups.apply(plan.cpu_settings(self.version, group / name, limit))

    def enforce(self) -> None:
        """Put the node's CPU quota in force, and those of the workloads there are."""
        group = self.paths.get("cpu")
        if group is None:
            return
        groups.apply(plan.cpu_settings(self.version, group, self.cpu_limit))
        for entry in Path(group).iterdir():
            if plan.workload_cores(entry.name) is not None:
                self._enforce_workload(entry.name)

    def usage(self) -> Usage:
        """What the node has used."""
        return groups.usage(self.folders(), self.version) if self.paths else Usage()


def make(specs: Sequence[NodeSpec], run_id: str, layout: Layout | None) -> None:
    """Make the groups of all nodes with every limit but CPU time.

    Raises:
        ProvisionError: a limit is refused.
    """
    if layout is None:
        return
    try:
        groups.make(plan.run_groups(layout, run_id))
        for spec in specs:
            groups.make(plan.node_groups(layout, run_id, spec))
    except OSError as error:
        raise ProvisionError(f"limits cannot be set: {error}") from error


def run_paths(run_id: str, layout: Layout | None) -> tuple[str, ...]:
    """The folders of the groups above those of the nodes."""
    return tuple(str(group.path) for group in plan.run_groups(layout, run_id)) if layout else ()


def handle(spec: NodeSpec, run_id: str, layout: Layout | None) -> dict[str, Any]:
    """What of a node's groups goes into its handle."""
    if layout is None:
        return {"version": 0, "paths": {}}
    paths = {name: str(layout.run_group(name, run_id) / spec.name) for name in layout.parents}
    return {"version": layout.version, "paths": paths}


def notes(specs: Sequence[NodeSpec], layout: Layout | None) -> tuple[str, ...]:
    """What of the nodes' limits this host does not enforce, in words."""
    needed = plan.controllers(tuple(specs))
    lacking = [name for name in needed if layout is None or not layout.has(name)]
    words = {
        "cpu": "CPU quotas are not enforced: nodes compute as fast as the host",
        "memory": "memory limits are not enforced",
        "cpuset": "nodes are not pinned to CPUs",
        "blkio": "disk throughput is not limited",
    }
    found = [f"{words[name]} ({_why(layout)})" for name in lacking if name in words]
    if "blkio" not in lacking and "blkio" in needed and layout is not None:
        if not layout.device:
            found.append("disk throughput is not limited (the run's folder is on no disk of this host's own)")
        elif layout.version == 1:
            found.append("disk throughput: only direct writes are limited, not cached ones (cgroup v1)")
    return tuple(found)


def _why(layout: Layout | None) -> str:
    if layout is None:
        return "this user may make no control groups here"
    return f"cgroup v{layout.version} here lacks the controller"


def survivors() -> tuple[tuple[str, Path], ...]:
    """Run id and folder of every group of this user's runs."""
    return tuple((path.name[len(plan.PREFIX) :], path) for path in find.all_runs_groups())
