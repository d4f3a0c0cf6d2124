"""Whether this host can run the nodes of a topology; for providers whose nodes share this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from continuum.errors import HostError, Problem
from continuum.host.facts import Host
from continuum.model.topology import NodeSpec, Topology


def shortages(
    topology: Topology, pinned: bool, host: Host, *, reserves_memory: bool = False
) -> Iterator[Problem]:
    """Resources of which the nodes ask for more than the host has.

    Args:
        topology: the nodes.
        pinned: whether each node gets host CPUs for itself.
        host: this host.
        reserves_memory: whether the memory of a node is set aside for it, as that of a virtual machine. If it
            is only a limit, more memory than the host has is a warning.
    """
    yield from _memory(topology, host, reserves_memory=reserves_memory)
    have = len(host.cpus)
    cores = sum(math.ceil(node.cores) for node in topology.nodes)
    if pinned and cores > have:
        yield Problem(
            f"cpu_pin needs {cores} CPUs, one for each core of each node, and this host has {have};"
            " use fewer nodes or cores, or cpu_pin = false"
        )
    limit = sum(node.cpu_limit for node in topology.nodes)
    if limit > have:
        yield Problem(
            f"the nodes may use {limit:g} CPUs together and this host has {have}: results that depend on"
            " CPU speed are wrong as soon as all are busy; use fewer nodes, fewer cores or a lower quota",
            severity="warning",
        )


def _memory(topology: Topology, host: Host, *, reserves_memory: bool) -> Iterator[Problem]:
    memory_mb = sum(node.memory_mb for node in topology.nodes)
    if memory_mb <= host.memory_mb:
        return
    if reserves_memory:
        yield Problem(
            f"the nodes have {memory_mb} MiB of memory together, this host has {host.memory_mb} MiB;"
            " use fewer nodes or less memory each"
        )
    else:
        yield Problem(
            f"the memory limits of the nodes add up to {memory_mb} MiB, this host has {host.memory_mb} MiB:"
            " the kernel kills processes if nodes use more than that; use fewer nodes or less memory each",
            severity="warning",
        )


def pinned(specs: Sequence[NodeSpec], cpus: Sequence[int]) -> tuple[NodeSpec, ...]:
    """The nodes with host CPUs for themselves, one per started core; HostError if there are too few."""
    free = list(cpus)
    chosen = []
    for spec in specs:
        count = math.ceil(spec.cores)
        if count > len(free):
            raise HostError(f"cpu_pin: no CPU is left for {spec.name}; use fewer nodes or cores")
        chosen.append(replace(spec, cpus=tuple(free[:count])))
        free = free[count:]
    return tuple(chosen)
