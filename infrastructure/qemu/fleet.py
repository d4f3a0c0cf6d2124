"""All machines of a run: opens and queries them in parallel, and assigns nodes to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from continuum.host.facts import Host
from continuum.host.parallel import in_parallel
from continuum.model.topology import NodeSpec
from infrastructure.qemu import acceleration, machine_facts, placement
from infrastructure.qemu.acceleration import Acceleration
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.machine_facts import MachineFacts
from infrastructure.qemu.machines import Machine
from infrastructure.qemu.placement import Capacity


@dataclass(frozen=True)
class Site:
    """A machine with an open connection.

    Attributes:
        machine: the machine.
        hypervisor: its libvirt daemon.
        facts: facts about it.
    """

    machine: Machine
    hypervisor: Hypervisor
    facts: MachineFacts

    def cpus(self, here: Host) -> tuple[int, ...]:
        """The processors that guests on it may be pinned to."""
        return here.cpus if self.machine.is_local else self.hypervisor.cpus()

    def acceleration(self, requested: str, here: Host) -> Acceleration:
        """How guests on it are run."""
        if self.machine.is_local or requested != "auto":
            return acceleration.choose(requested, here)
        why = machine_facts.kvm_obstacle(self.machine)
        return Acceleration(not why, why)


def open_all(machines: Sequence[Machine], stack: ExitStack) -> tuple[Site, ...]:
    """Connect to every machine in parallel, until the stack is left; HostError if one fails."""

    def opened(machine: Machine) -> Site:
        found = machine_facts.query(machine)  # first, since its message about ssh is better than libvirt's
        return Site(machine, stack.enter_context(Hypervisor(machine.uri)), found)

    return tuple(in_parallel(opened, machines))


def capacities(sites: Sequence[Site]) -> tuple[Capacity, ...]:
    """The capacity of each machine, and how much of it is in use."""
    return tuple(in_parallel(lambda site: site.hypervisor.capacity(site.machine.name), sites))


def place(specs: Sequence[NodeSpec], sites: Sequence[Site], *, pinned: bool) -> Mapping[str, int]:
    """The index of every node's machine, by the node's name; HostError if a node does not fit."""
    if len(sites) == 1:
        return {spec.name: 0 for spec in specs}
    return placement.place(specs, capacities(sites), pinned=pinned)
