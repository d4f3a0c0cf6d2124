"""Whether one host can hold the nodes of a topology; for providers whose nodes share this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from continuum.errors import HostError, Problem
from continuum.host.facts import Host
from continuum.model.topology import NodeSpec, Topology


def shortages(topology: Topology, pinned: bool, host: Host) -> Iterator[Problem]:
    """What the nodes ask for beyond what the host has; too little CPU time is a warning only."""
    memory_mb = sum(node.memory_mb for node in topology.nodes)
    if memory_mb > host.memory_mb:
        yield Problem(
            f"the nodes have {memory_mb} MiB of memory together, this host has {host.memory_mb} MiB;"
            " use fewer nodes or less memory each"
        )
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


def pinned(specs: Sequence[NodeSpec], cpus: Sequence[int]) -> tuple[NodeSpec, ...]:
    """The nodes with host CPUs of their own, one for each core begun; HostError when there are too few."""
    free = list(cpus)
    chosen = []
    for spec in specs:
        count = math.ceil(spec.cores)
        if count > len(free):
            raise HostError(f"cpu_pin: no CPU is left for {spec.name}; use fewer nodes or cores")
        chosen.append(replace(spec, cpus=tuple(free[:count])))
        free = free[count:]
    return tuple(chosen)
