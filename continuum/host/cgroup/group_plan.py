"""Control groups of a run and the settings in their files, for cgroup v1 and v2; pure.

Sources: Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst of
the Linux kernel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from continuum.model.limits import Limits
from continuum.model.topology import NodeSpec

PERIOD_US = 10_000
"""Period of CPU quotas. With the kernel's default of 100 ms, a node with a quarter core could compute for 25
ms at full speed, which is a whole inference."""

MIN_QUOTA_US = 1_000
"""Smallest quota that the kernel accepts."""

MAX_PERIOD_US = 1_000_000
"""Longest period that the kernel accepts."""

PREFIX = "continuum-"
"""Start of the name of a run's group; the run's id follows."""

_CPUSET_COPIED = ("cpuset.cpus", "cpuset.mems")
"""A new cpuset of version 1 has neither CPUs nor memory nodes, so it accepts no process."""

PACING = ("perf_event", "freezer")
"""Controllers that count the CPU time of nodes with slow processors, and stop them; they limit nothing."""

REST = "rest"
"""Group of a node's processes that do not belong to a workload with limits."""


@dataclass(frozen=True)
class Layout:
    """Where groups can be created.

    Attributes:
        version: 1 or 2.
        parents: folder of the parent of the run's group, by controller; with version 2 all are the same.
        device: ``major:minor`` of the disk with the nodes' files; empty if it cannot be throttled.
    """

    version: int
    parents: Mapping[str, PurePosixPath]
    device: str = ""

    def has(self, controller: str) -> bool:
        """Whether groups with this controller can be created."""
        return controller in self.parents

    def run_group(self, controller: str, run_id: str) -> PurePosixPath:
        """The parent of all groups of a run."""
        return self.parents[controller] / f"{PREFIX}{run_id}"


@dataclass(frozen=True)
class Setting:
    """One value to write.

    Attributes:
        path: the file.
        value: the value to write to it.
        optional: whether it is ignored if the file is missing or the kernel refuses the value.
    """

    path: PurePosixPath
    value: str
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """A group to create, and its settings in order.

    Attributes:
        path: its folder.
        settings: values to write after its creation.
        copied: files whose content is copied from the parent group, before ``settings``.
    """

    path: PurePosixPath
    settings: tuple[Setting, ...] = ()
    copied: tuple[str, ...] = ()


def controllers(specs: tuple[NodeSpec, ...]) -> tuple[str, ...]:
    """The controllers that these nodes require."""
    needed = ["cpu", "cpuacct", "memory"]
    if any(spec.cpus for spec in specs):
        needed.append("cpuset")
    if any(spec.read_mb_per_s or spec.write_mb_per_s for spec in specs):
        needed.append("blkio")
    if any(speed(spec) < 1 for spec in specs):
        needed += PACING
    return tuple(needed)


def speed(spec: NodeSpec) -> float:
    """Speed of a node's processors as a share of this host's; a part of a core is a slow core."""
    return spec.quota * min(1.0, spec.cores)


def processors(spec: NodeSpec) -> int:
    """Number of a node's processors: its cores, rounded up."""
    return max(1, math.ceil(spec.cores))


def run_groups(layout: Layout, run_id: str) -> tuple[Group, ...]:
    """The run's groups, parents of the nodes' groups; they have no limits."""
    if layout.version == 2:
        path = layout.run_group("cpu" if layout.has("cpu") else next(iter(layout.parents)), run_id)
        return (Group(path, (_delegate(layout, path),)),)
    groups: dict[PurePosixPath, Group] = {}
    for controller in layout.parents:
        path = layout.run_group(controller, run_id)
        settings: tuple[Setting, ...] = ()
        if controller == "memory":
            # Optional before Linux 5.11; without it, the limit of a node does not apply to its workloads.
            settings = (Setting(path / "memory.use_hierarchy", "1", optional=True),)
        groups[path] = Group(path, settings, _CPUSET_COPIED if controller == "cpuset" else ())
    return tuple(groups.values())


def node_groups(layout: Layout, run_id: str, spec: NodeSpec) -> tuple[Group, ...]:
    """The groups of one node with all its limits except the CPU quota."""
    paths: dict[PurePosixPath, list[str]] = {}
    for controller in layout.parents:
        paths.setdefault(layout.run_group(controller, run_id) / spec.name, []).append(controller)
    if layout.version == 2:
        return tuple(
            Group(path, (*_limits_v2(layout, path, spec), _delegate(layout, path))) for path in paths
        )
    return tuple(
        Group(
            path,
            tuple(setting for controller in served for setting in _limits_v1(controller, layout, path, spec)),
            _CPUSET_COPIED if "cpuset" in served else (),
        )
        for path, served in paths.items()
    )


def _delegate(layout: Layout, path: PurePosixPath) -> Setting:
    """Delegate the controllers to the groups below."""
    names = sorted({"io" if name == "blkio" else name for name in layout.parents if name != "cpuacct"})
    return Setting(path / "cgroup.subtree_control", " ".join(f"+{name}" for name in names))


def _limits_v1(controller: str, layout: Layout, path: PurePosixPath, spec: NodeSpec) -> tuple[Setting, ...]:
    if controller == "memory":
        limit = str(spec.memory_mb << 20)
        return (
            Setting(path / "memory.limit_in_bytes", limit),
            # Includes swap; otherwise a node at its limit would swap.
            Setting(path / "memory.memsw.limit_in_bytes", limit, optional=True),
        )
    if controller == "cpuset" and spec.cpus:
        return (Setting(path / "cpuset.cpus", _cpu_list(spec)),)
    if controller == "blkio" and layout.device:
        return tuple(
            Setting(path / f"blkio.throttle.{way}_bps_device", f"{layout.device} {_bytes_per_s(rate)}")
            for way, rate in (("read", spec.read_mb_per_s), ("write", spec.write_mb_per_s))
            if rate
        )
    return ()


def _limits_v2(layout: Layout, path: PurePosixPath, spec: NodeSpec) -> tuple[Setting, ...]:
    settings = []
    if layout.has("memory"):
        settings.append(Setting(path / "memory.max", str(spec.memory_mb << 20)))
        settings.append(Setting(path / "memory.swap.max", "0", optional=True))
    if layout.has("cpuset") and spec.cpus:
        settings.append(Setting(path / "cpuset.cpus", _cpu_list(spec)))
    rates = (("rbps", spec.read_mb_per_s), ("wbps", spec.write_mb_per_s))
    words = [f"{way}={_bytes_per_s(rate)}" for way, rate in rates if rate]
    if layout.has("blkio") and layout.device and words:
        settings.append(Setting(path / "io.max", " ".join([layout.device, *words])))
    return tuple(settings)


def _cpu_list(spec: NodeSpec) -> str:
    return ",".join(str(cpu) for cpu in spec.cpus)


def _bytes_per_s(mb_per_s: float) -> int:
    return max(1, round(mb_per_s * 1e6))


def quota_us(cpu_limit: float) -> tuple[int, int]:
    """Quota and period, both in microseconds, for ``cpu_limit`` CPUs.

    The period is 10 ms, or longer if the quota would be smaller than the kernel accepts.
    """
    period = PERIOD_US
    if cpu_limit * period < MIN_QUOTA_US:
        period = min(MAX_PERIOD_US, math.ceil(MIN_QUOTA_US / cpu_limit))
    return max(MIN_QUOTA_US, round(cpu_limit * period)), period


def cpu_settings(version: int, path: PurePosixPath, cpu_limit: float) -> tuple[Setting, ...]:
    """Settings that apply a CPU quota to a group of the CPU controller."""
    quota, period = quota_us(cpu_limit)
    if version == 2:
        return (Setting(path / "cpu.max", f"{quota} {period}"),)
    return (
        Setting(path / "cpu.cfs_period_us", str(period)),
        Setting(path / "cpu.cfs_quota_us", str(quota)),
    )


def workload_name(limits: Limits, token: str) -> str:
    """Name of the group of a workload; it contains the workload's cores, for when quotas are applied."""
    if limits.cpu_cores is None and limits.memory_mb is None:
        return REST
    cores = "all" if limits.cpu_cores is None else f"{round(limits.cpu_cores * 1000)}m"
    return f"{token}-{cores}"


def workload_cores(name: str) -> float | None:
    """Cores from a name that ``workload_name`` made; None for all cores of the node."""
    match = re.fullmatch(r"[0-9a-f]+-(\d+)m", name)
    return int(match[1]) / 1000 if match else None


def workload_limit(cores: float, quota: float, node_limit: float) -> float:
    """CPU limit of a workload; at most the node's, since the kernel refuses more."""
    return min(cores * quota, node_limit)


def workload_settings(
    version: int, controller: str, path: PurePosixPath, limits: Limits
) -> tuple[Setting, ...]:
    """A workload's limits except CPU time, for the group of one controller."""
    if controller != "memory" or limits.memory_mb is None:
        return ()
    if version == 2:
        return (Setting(path / "memory.max", str(limits.memory_mb << 20)),)
    return (Setting(path / "memory.limit_in_bytes", str(limits.memory_mb << 20)),)
