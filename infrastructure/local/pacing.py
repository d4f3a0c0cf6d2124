"""Starts the process that makes the processors of nodes slow, and checks that it runs."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.errors import ProvisionError
from continuum.host import namespaces, pace
from continuum.host.cgroup import group_plan
from continuum.host.cgroup.group_plan import PACING
from continuum.host.files import read_json, write_json
from continuum.host.pace import pace_plan
from continuum.host.pace.pace_plan import PacedNode, PacePlan
from continuum.model.node import Node
from continuum.rundir import index
from continuum.sdk import protocol
from infrastructure.local import processes

if TYPE_CHECKING:
    from continuum.rundir.run import Run

PROGRAM = Path(str(pace.__file__)).parent
STATE = "pacing.json"
_PLAN = "pacing-plan.json"
_HOLD, _TRIAL = "hold", "trial"
_START_S = 20.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER_TIME, _SYSTEM_TIME, _START_TIME = 11, 12, 19
"""Places in what ``processes.stat_fields`` returns."""


def slow(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes whose processors are slower than this host's."""
    return tuple(node for node in nodes if group_plan.speed(node.spec) < 1)


def start(nodes: Sequence[Node], run: Run, folder: Path) -> str:
    """Slow down the nodes that are to be slow, if they are not yet; returns why it is not possible, if so.

    Args:
        nodes: all nodes of the run.
        run: the run.
        folder: its folder for files of nodes.
    """
    needed = slow(nodes)
    if not needed or _state(folder):
        return ""
    plan = _plan(needed)
    if plan is None:
        return f"control groups of {' and '.join(PACING)} cannot be made here"
    (folder / _PLAN).write_text(plan.to_json(), encoding="utf-8")
    pid, answer = _spawn(folder / _PLAN, run)
    if answer != pace_plan.READY:
        return answer or f"it did not start; see {run.log('pacing')}"
    write_json(folder / STATE, {"pid": pid, "start": _started(pid), "nodes": len(needed)})
    return ""


def _plan(nodes: Sequence[Node]) -> PacePlan | None:
    paced = []
    for node in nodes:
        paths = node.handle["groups"]["paths"]
        if not paths.keys() >= set(PACING):
            return None
        spec = node.spec
        speed, processors = group_plan.speed(spec), group_plan.processors(spec)
        paced.append(PacedNode(node.name, paths[PACING[0]], paths[PACING[1]], speed, processors))
    counted, stopped = Path(paced[0].counted).parent, Path(paced[0].stopped).parent
    trial = (str(counted / _TRIAL), str(stopped / _TRIAL))
    return PacePlan(trial, str(stopped / _HOLD), tuple(sorted(os.sched_getaffinity(0))), tuple(paced))


def _spawn(plan: Path, run: Run) -> tuple[int, str]:
    """Start the process; returns its id and its answer, which is empty if there was none."""
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(PROGRAM), run.id],
            {
                protocol.ENV_RUN: run.id,
                protocol.ENV_KEEPER: str(run.directory),
                protocol.ENV_ORIGIN: namespaces.origin(),
                **index.state_variable(),
                "PATH": os.environ.get("PATH", os.defpath),
            },
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, str(plan), os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_OPEN, 2, str(run.log("pacing")), _LOG_FLAGS, 0o600),
            ],
            setsid=True,
        )
    finally:
        os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], _START_S)
        return pid, os.read(reader, 4096).decode().strip() if ready else ""
    finally:
        os.close(reader)


_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def cpu_seconds(nodes: Sequence[Node], folder: Path) -> dict[str, float]:
    """CPU time of slowing nodes down so far, divided evenly among them, by name.

    Raises:
        ProvisionError: the process has ended, so the nodes have not the speed they should have.
    """
    state = _state(folder)
    if not state:
        return {}
    fields = processes.stat_fields(state["pid"])
    if not fields or fields[0] in {"Z", "X"} or fields[_START_TIME] != state["start"]:
        raise ProvisionError("the process that makes nodes slow has ended; see logs/pacing.log")
    ticks = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
    needed = slow(nodes)
    return {node.name: ticks / _TICKS_PER_S / len(needed) for node in needed}


def _state(folder: Path) -> dict[str, Any]:
    return dict(read_json(folder / STATE, default={}))


def _started(pid: int) -> str:
    fields = processes.stat_fields(pid)
    return fields[_START_TIME] if fields else ""
