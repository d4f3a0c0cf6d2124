"""Measures how fast slow processors are, on one node of each tier, before the load."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from continuum.errors import ContinuumError
from continuum.host import namespaces
from continuum.host.cgroup import group_plan
from continuum.host.cgroup.node import NodeGroups
from continuum.measure import speed_curve
from continuum.model.limits import Limits
from continuum.model.node import Node
from continuum.model.result_json import plain
from continuum.rundir import index
from continuum.sdk import protocol
from infrastructure.local import pacing

if TYPE_CHECKING:
    from continuum.rundir.run import Run

PROGRAM = pacing.PROGRAM / "burst.py"
TABLE = "processors"
PIECES = ((1, 5), (4, 3), (20, 1))
"""Work in ms, and how often each is done: 37 ms of CPU time in all."""

_TIMEOUT_S = 20.0


def calibrate(nodes: Sequence[Node], run: Run, *, paced: bool) -> None:
    """Measure on the first slow node of each tier and record it in the run.

    At most half of the CPUs are measured at the same time: nodes that wait for a CPU would seem slow.

    A node that cannot be measured is noted.
    """
    first: dict[str, Node] = {}
    for node in pacing.slow(nodes):
        if "cpu" in node.handle["groups"]["paths"] and not run.records(TABLE):
            first.setdefault(node.tier, node)
    if not first:
        return
    try:
        with _program(run, ["1"]) as process:
            units = int(process.communicate(timeout=_TIMEOUT_S)[0])
    except (subprocess.TimeoutExpired, ValueError) as error:
        run.note(f"the speed of processors could not be measured: {error}")
        return
    at_once = max(1, len(os.sched_getaffinity(0)) // 2)
    chosen = list(first.values())
    for begin in range(0, len(chosen), at_once):
        _measure(chosen[begin : begin + at_once], run, units, paced=paced)


def _measure(nodes: Sequence[Node], run: Run, units: int, *, paced: bool) -> None:
    """Measure on nodes at the same time; ``units`` of work take 1 ms at full speed."""
    with contextlib.ExitStack() as stack:
        started = [(node, stack.enter_context(_measuring(node, run, units))) for node in nodes]
        for node, process in started:
            try:
                output, _ = process.communicate(timeout=_TIMEOUT_S)
                durations_ms = [median(found) for found in json.loads(output)]
            except (subprocess.TimeoutExpired, ValueError) as error:
                run.note(f"the speed of {node.name} could not be measured: {error}")
                continue
            _record(node, durations_ms, run, paced=paced)


def _record(node: Node, durations_ms: Sequence[float], run: Run, *, paced: bool) -> None:
    speed = group_plan.speed(node.spec)
    bursts = [
        plain(speed_curve.judge(work_ms, wall_ms, speed))
        for (work_ms, _), wall_ms in zip(PIECES, durations_ms, strict=True)
    ]
    run.record(TABLE, tier=node.tier, node=node.name, speed=speed, paced=paced, bursts=bursts)


@contextlib.contextmanager
def _measuring(node: Node, run: Run, units: int) -> Iterator[subprocess.Popen[str]]:
    """The measuring program in the control groups of a node; ``units`` of work are 1 ms."""
    groups = NodeGroups.of(node.spec, node.handle["groups"])
    try:
        files = groups.join(Limits())
    except ContinuumError as error:
        run.note(f"the speed of {node.name} could not be measured: {error}")
        files = ()
    pieces = [f"{work_ms * units},{count}" for work_ms, count in PIECES]
    with _program(run, [*pieces, "--", *map(str, files)]) as process:
        yield process


@contextlib.contextmanager
def _program(run: Run, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The measuring program; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAM), *words],
        env={
            protocol.ENV_RUN: run.id,
            protocol.ENV_KEEPER: str(run.directory),
            protocol.ENV_ORIGIN: namespaces.origin(),
            **index.state_variable(),
            "PATH": os.environ.get("PATH", os.defpath),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=run.log("pacing").open("ab"),
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
