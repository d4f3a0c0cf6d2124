"""Control groups of containers, where this process may use them: limits within a node, and its usage."""

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


def of_process(pid: int) -> dict[str, Any]:
    """The groups of a process, as plain JSON: version, and folder by controller."""
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
    """The files to write the pid of a process to.

    Args:
        node: the node it runs on.
        limits: its limits within the node; None for a process outside the node's limits.
    """
    if limits is None:
        return _own()
    if limits.cpu_cores is None and limits.memory_mb is None:
        return ()  # the limits of the container suffice
    groups = NodeGroups.of(node.spec, node.handle["groups"])
    return groups.join(limits) if bounds_workloads(node) else ()


def bounds_workloads(node: Node) -> bool:
    """Whether workloads can have limits within their node.

    With cgroup v2 they cannot: the container's group contains processes, so groups below it have no limits.
    """
    groups = NodeGroups.of(node.spec, node.handle["groups"])
    return groups.version == 1 and all(os.access(path, os.W_OK) for path in groups.folders())


def _own() -> Sequence[Path]:
    """The groups of this process, which are outside the limits of all nodes."""
    folders = of_process(os.getpid())["paths"].values()
    files = [Path(folder) / "cgroup.procs" for folder in dict.fromkeys(folders)]
    return [file for file in files if os.access(file, os.W_OK)]
