"""Control groups with the limits of a run's nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.errors import ProvisionError
from continuum.host.cgroup import find, group_plan, groups
from continuum.host.cgroup.group_plan import Layout
from continuum.model.topology import NodeSpec


def make(specs: Sequence[NodeSpec], run_id: str, layout: Layout | None) -> None:
    """Create the groups of all nodes with all limits except CPU quotas.

    Raises:
        ProvisionError: the kernel refuses a limit.
    """
    if layout is None:
        return
    try:
        groups.make(group_plan.run_groups(layout, run_id))
        for spec in specs:
            groups.make(group_plan.node_groups(layout, run_id, spec))
    except OSError as error:
        raise ProvisionError(f"cannot set limits: {error}") from error


def run_paths(run_id: str, layout: Layout | None) -> tuple[str, ...]:
    """Folders of the run's groups, the parents of the nodes' groups."""
    return tuple(str(group.path) for group in group_plan.run_groups(layout, run_id)) if layout else ()


def handle(spec: NodeSpec, run_id: str, layout: Layout | None) -> dict[str, Any]:
    """The groups of a node as plain JSON, for its handle."""
    if layout is None:
        return {"version": 0, "paths": {}}
    paths = {name: str(layout.run_group(name, run_id) / spec.name) for name in layout.parents}
    return {"version": layout.version, "paths": paths}


def notes(specs: Sequence[NodeSpec], layout: Layout | None) -> tuple[str, ...]:
    """Limits of the nodes that this host cannot enforce, one sentence each."""
    needed = group_plan.controllers(tuple(specs))
    missing = [name for name in needed if layout is None or not layout.has(name)]
    words = {
        "cpu": "CPU quotas are not enforced: nodes compute as fast as the host",
        "memory": "memory limits are not enforced",
        "cpuset": "nodes are not pinned to CPUs",
        "blkio": "disk throughput is not limited",
    }
    found = [f"{words[name]} ({_why(layout)})" for name in missing if name in words]
    if "blkio" not in missing and "blkio" in needed and layout is not None:
        if not layout.device:
            found.append("disk throughput is not limited (the run's folder is on no disk of this host)")
        elif layout.version == 1:
            found.append("disk throughput: only direct writes are limited, not cached ones (cgroup v1)")
    return tuple(found)


def _why(layout: Layout | None) -> str:
    if layout is None:
        return "this user may not create control groups"
    return f"cgroup v{layout.version} has no such controller here"


def survivors() -> tuple[tuple[str, Path], ...]:
    """Run id and folder of every control group of this user's runs."""
    return tuple((path.name[len(group_plan.PREFIX) :], path) for path in find.all_runs_groups())
