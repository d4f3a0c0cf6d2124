"""How much CPU time it costs a node to be stopped once; above all, caches have gone cold then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from time import sleep, thread_time_ns

from .work import work

_UNITS, _COUNT = 150, 10
_PAUSE_S = 0.002


def start_trial(groups: Sequence[str]) -> int:
    """Start a child that does the same work outside and inside of control groups; returns what to read.

    Raises:
        OSError: the child cannot be started.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.write(writer, f"{_ratio(groups):.6f}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    return reader


def ns_per_stop(reader: int, slice_ns: int) -> int:
    """CPU time that each stop costs, from the answer of the child; 0 if it has none."""
    try:
        answer = os.read(reader, 64)
    finally:
        os.close(reader)
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)
    ratio = float(answer) if answer else 1.0
    return round(slice_ns * min(_MOST, max(0.0, 1.0 - ratio)))


_MOST = 0.35
"""Largest share of a slice that stopping is taken to cost; more was measured beside other work."""


def _ratio(groups: Sequence[str]) -> float:
    """CPU time of the work at full speed, divided by that in the groups."""
    outside_ns = _cpu_time_ns()
    for group in groups:
        with open(os.path.join(group, "cgroup.procs"), "wb", buffering=0) as file:  # noqa: PTH118, PTH123
            file.write(b"0")
    return outside_ns / _cpu_time_ns()


def _cpu_time_ns() -> float:
    """CPU time of the work, in the median."""
    found = []
    for _ in range(_COUNT):
        sleep(_PAUSE_S)
        begin_ns = thread_time_ns()
        work(_UNITS)
        found.append(thread_time_ns() - begin_ns)
    return sorted(found)[_COUNT // 2]
