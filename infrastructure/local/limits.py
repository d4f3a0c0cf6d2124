"""The limits of a run's nodes, as far as this host lets them be set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.errors import ProvisionError
from continuum.host.cgroup import find, groups, plan
from continuum.host.cgroup.plan import Layout
from continuum.model.topology import NodeSpec


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
