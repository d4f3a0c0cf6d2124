"""The control groups of one node: limits of its workloads, its CPU quota, and its resource usage."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.errors import ConnectionFailure
from continuum.host.cgroup import group_plan, groups
from continuum.host.cgroup.group_plan import Group
from continuum.model.limits import Limits
from continuum.model.node import Usage
from continuum.model.topology import NodeSpec


@dataclass(frozen=True)
class NodeGroups:
    """The groups of one node.

    Attributes:
        version: 1 or 2; 0 if there are none.
        paths: its groups by controller.
        quota: share of each core that the node may use.
        cpu_limit: CPUs that the node may use.
    """

    version: int
    paths: Mapping[str, PurePosixPath]
    quota: float
    cpu_limit: float

    @classmethod
    def of(cls, spec: NodeSpec, groups: Mapping[str, Any]) -> NodeGroups:
        """The groups of a node.

        Args:
            spec: the node.
            groups: plain JSON from the node's handle: ``version``, and ``paths`` by controller.
        """
        paths = {name: PurePosixPath(path) for name, path in groups["paths"].items()}
        return cls(int(groups["version"]), paths, spec.quota, spec.cpu_limit)

    def folders(self) -> tuple[Path, ...]:
        """All groups, each once."""
        return tuple(dict.fromkeys(Path(path) for path in self.paths.values()))

    def join(self, limits: Limits) -> tuple[Path, ...]:
        """Create the groups of a process with these limits; returns the files to write its pid to.

        Raises:
            ConnectionFailure: the kernel refuses the limits.
        """
        name = group_plan.workload_name(limits, secrets.token_hex(4))
        made = [
            Group(
                path / name,
                group_plan.workload_settings(self.version, controller, path / name, limits),
                copied,
            )
            for controller, path, copied in self._each()
        ]
        try:
            groups.make(made)
            self._enforce_workload(name)
        except OSError as error:
            raise ConnectionFailure(f"cannot set limits: {error}") from error
        return tuple(dict.fromkeys(Path(group.path) / "cgroup.procs" for group in made))

    def _each(self) -> Iterable[tuple[str, PurePosixPath, tuple[str, ...]]]:
        for controller, path in self.paths.items():
            needs_cpus = controller == "cpuset" and self.version == 1
            yield controller, path, ("cpuset.cpus", "cpuset.mems") if needs_cpus else ()

    def _enforce_workload(self, name: str) -> None:
        """Apply a workload's CPU quota, if quotas are applied already."""
        cores, group = group_plan.workload_cores(name), self.paths.get("cpu")
        if cores is None or group is None or not groups.has_quota(Path(group), self.version):
            return
        limit = group_plan.workload_limit(cores, self.quota, self.cpu_limit)
        groups.apply(group_plan.cpu_settings(self.version, group / name, limit))

    def enforce(self) -> None:
        """Apply the CPU quotas of the node and of its existing workloads."""
        group = self.paths.get("cpu")
        if group is None:
            return
        groups.apply(group_plan.cpu_settings(self.version, group, self.cpu_limit))
        for entry in Path(group).iterdir():
            if group_plan.workload_cores(entry.name) is not None:
                self._enforce_workload(entry.name)

    def usage(self) -> Usage:
        """Resource usage of the node so far."""
        return groups.usage(self.folders(), self.version) if self.paths else Usage()
