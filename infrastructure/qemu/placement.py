"""Places nodes on machines, each on the least loaded one; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from continuum.errors import HostError
from continuum.model.topology import NodeSpec


@dataclass(frozen=True)
class Capacity:
    """A machine's size and how much of it is in use.

    Attributes:
        machine: its name.
        cores: number of its processors.
        memory_mb: its memory in MiB.
        busy_cores: processors of all guests that run on it, of this and other users.
        busy_memory_mb: memory of these guests, or all memory in use if that is more.
        idle_guests: guests that are defined on it and do not run.
    """

    machine: str
    cores: int
    memory_mb: int
    busy_cores: float = 0.0
    busy_memory_mb: int = 0
    idle_guests: int = 0

    @property
    def free_memory_mb(self) -> int:
        """Memory for further guests."""
        return max(0, self.memory_mb - self.busy_memory_mb)

    @property
    def load(self) -> float:
        """The larger of the shares of processors and of memory that are in use."""
        return max(self.busy_cores / max(1, self.cores), self.busy_memory_mb / max(1, self.memory_mb))

    def having(self, spec: NodeSpec) -> Capacity:
        """The machine with one more node on it."""
        return replace(
            self,
            busy_cores=self.busy_cores + spec.cores,
            busy_memory_mb=self.busy_memory_mb + spec.memory_mb,
        )


def place(specs: Sequence[NodeSpec], capacities: Sequence[Capacity], *, pinned: bool) -> dict[str, int]:
    """The index of every node's machine, by the node's name.

    Nodes are placed from the largest to the smallest, each on the machine that has the lowest load with it.

    Args:
        specs: the nodes.
        capacities: the machines.
        pinned: whether every started core of a node takes a processor for itself.

    Raises:
        HostError: a node does not fit on any machine; the message has their free capacities.
    """
    now, taken = list(capacities), [0] * len(capacities)
    placed: dict[str, int] = {}
    for spec in sorted(specs, key=lambda one: (-one.memory_mb, -one.cores)):
        cpus = math.ceil(spec.cores)
        fit = [
            number
            for number, there in enumerate(now)
            if spec.memory_mb <= there.free_memory_mb and (not pinned or taken[number] + cpus <= there.cores)
        ]
        if not fit:
            raise HostError(_no_place(spec, now, taken, pinned=pinned))
        best = min(fit, key=lambda number: (now[number].having(spec).load, now[number].idle_guests, number))
        now[best], taken[best] = now[best].having(spec), taken[best] + cpus
        placed[spec.name] = best
    return {spec.name: placed[spec.name] for spec in specs}


def overload(specs: Sequence[NodeSpec], capacities: Sequence[Capacity], placed: Mapping[str, int]) -> str:
    """Machines whose nodes may use more CPU time than they have, as text; empty if there are none."""
    words = []
    for number, there in enumerate(capacities):
        limit = sum(spec.cpu_limit for spec in specs if placed[spec.name] == number)
        if limit > there.cores:
            words.append(f"{there.machine}: the nodes there may use {limit:g} CPUs, and it has {there.cores}")
    return "; ".join(words)


def _no_place(spec: NodeSpec, now: Sequence[Capacity], taken: Sequence[int], *, pinned: bool) -> str:
    have = [
        f"{there.machine} has {there.free_memory_mb} of {there.memory_mb} MiB left"
        + (f" and {there.cores - used} of {there.cores} CPUs to pin" if pinned else "")
        for there, used in zip(now, taken, strict=True)
    ]
    wants = f"{spec.memory_mb} MiB" + (f" and {math.ceil(spec.cores)} CPUs to pin" if pinned else "")
    return (
        f"no machine has room for {spec.name} ({wants}), with the nodes before it placed: {', '.join(have)};"
        " use fewer or smaller nodes, or more of external_physical_machines"
    )
