"""Control groups of containers, where this process may use them: limits within a node, and what it used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from continuum.host import mounts
from continuum.host.cgroup import find
from continuum.host.cgroup.node import NodeGroups
from continuum.model.limits import Limits
from continuum.model.node import Node

_WITHIN = ("cpu", "cpuacct", "memory")


def handle(pid: int) -> dict[str, Any]:
    """The groups that a process is in, for a node's handle: version, and folders by controller."""
    try:
        entries = find.own_groups(Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8"))
    except OSError:
        return {"version": 0, "paths": {}}
    return _folders(entries)


def _folders(entries: Mapping[str, str]) -> dict[str, Any]:
    mounted = mounts.current()
    trees = find.hierarchies(mounted)
    first: dict[str, str] = {}
    for tree in trees:
        if tree.version == 1:
            for controller in _WITHIN:
                folder = tree.top / entries.get(controller, "/").removeprefix(tree.root).lstrip("/")
                if controller in tree.controllers and controller in entries and folder.is_dir():
                    first.setdefault(controller, str(folder))
    if first:
        return {"version": 1, "paths": first}
    for tree in trees:
        folder = tree.top / entries.get("", "/").removeprefix(tree.root).lstrip("/")
        if tree.version == 2 and "" in entries and folder.is_dir():
            return {"version": 2, "paths": dict.fromkeys(_WITHIN, str(folder))}
    return {"version": 0, "paths": {}}


def join(node: Node, limits: Limits | None) -> Sequence[Path]:
    """Where to write the pid of a process that is to be bound within its node, or outside it for None."""
    if limits is None:
        return _own()
    if limits.cpu_cores is None and limits.memory_mb is None:
        return ()  # the container's limits are all
    groups = NodeGroups.of(node)
    return groups.join(limits) if bounds_workloads(node) else ()


def bounds_workloads(node: Node) -> bool:
    """Whether a workload can have limits within its node.

    With version 2 a group that has processes may not have groups with limits below it, and a container's
    has.
    """
    groups = NodeGroups.of(node)
    return groups.version == 1 and all(os.access(path, os.W_OK) for path in groups.folders())


def _own() -> Sequence[Path]:
    """This process's own groups, which no node's limits reach."""
    folders = handle(os.getpid())["paths"].values()
    files = [Path(folder) / "cgroup.procs" for folder in dict.fromkeys(folders)]
    return [file for file in files if os.access(file, os.W_OK)]
