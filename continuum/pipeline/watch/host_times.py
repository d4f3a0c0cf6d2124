"""How this host's kernel accounts for its CPUs (``/proc/stat``, ``/proc/pressure/cpu``; man 5 proc)."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Collection
from dataclasses import dataclass

from continuum.host.cgroup import counters

_IDLE, _IOWAIT, _IRQ, _SOFTIRQ, _STEAL = 3, 4, 5, 6, 7
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class HostTimes:
    """Times of some CPUs since the host's start.

    Attributes:
        at_s: when they were read, on CLOCK_MONOTONIC.
        cpus: number of CPUs.
        unused_s: time in which no process ran: idle, and handling interrupts.
        stolen_s: time that the hypervisor gave to other virtual machines.
        running: processes that run or wait for a CPU.
        waited_s: time in which a process waited for a CPU (PSI); None if the kernel does not tell.
    """

    at_s: float
    cpus: int
    unused_s: float
    stolen_s: float
    running: int
    waited_s: float | None = None


def read(cpus: Collection[int]) -> HostTimes:
    """The times of these CPUs now; OSError or ValueError if the kernel does not tell."""
    at_s = time.monotonic()
    return parse(_text("/proc/stat"), _pressure(), cpus, at_s)


def parse(stat: str, pressure: str, cpus: Collection[int], at_s: float) -> HostTimes:
    """The times in the content of ``/proc/stat`` and ``/proc/pressure/cpu``; ValueError if there are none."""
    names = {f"cpu{cpu}" for cpu in cpus}
    unused = stolen = found = running = 0
    for line in stat.splitlines():
        name, *words = line.split()
        if name in names:
            ticks = [int(word) for word in words]
            unused += ticks[_IDLE] + ticks[_IOWAIT] + ticks[_IRQ] + ticks[_SOFTIRQ]
            stolen += ticks[_STEAL]
            found += 1
        elif name == "procs_running":
            running = int(words[0])
    if not found:
        raise ValueError("no CPU of this process is in /proc/stat")
    return HostTimes(at_s, found, unused / _TICKS_PER_S, stolen / _TICKS_PER_S, running, _waited_s(pressure))


def _waited_s(pressure: str) -> float | None:
    for line in pressure.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) / 1e6
    return None


def _pressure() -> str:
    try:
        return _text("/proc/pressure/cpu")
    except OSError:
        return ""


def _text(path: str) -> str:
    return counters.read(path).decode("ascii")


def own_cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
