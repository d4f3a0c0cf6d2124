"""All machines of a run together: opened at once, asked what they are, and given their nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from continuum.host.facts import Host
from continuum.model.topology import NodeSpec
from infrastructure.qemu import acceleration, placement, survey
from infrastructure.qemu.acceleration import Acceleration
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.machines import Machine
from infrastructure.qemu.placement import Capacity
from infrastructure.qemu.survey import Survey

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Site:
    """A machine that is open.

    Attributes:
        machine: which one.
        hypervisor: its libvirt daemon.
        survey: what it says of itself.
    """

    machine: Machine
    hypervisor: Hypervisor
    survey: Survey

    def cpus(self, here: Host) -> tuple[int, ...]:
        """Numbers of the processors that guests there may be pinned to."""
        return here.cpus if self.machine.is_local else self.hypervisor.cpus()

    def acceleration(self, requested: str, here: Host) -> Acceleration:
        """How guests there are to be run."""
        if self.machine.is_local or requested != "auto":
            return acceleration.choose(requested, here)
        why = survey.lack_of_kvm(self.machine)
        return Acceleration(not why, why)


def open_all(machines: Sequence[Machine], stack: ExitStack) -> tuple[Site, ...]:
    """Open every machine, all at once, until the stack is left; HostError of the first that does not open."""

    def opened(machine: Machine) -> Site:
        said = survey.look(machine)  # ssh says best what is wrong with ssh
        return Site(machine, stack.enter_context(Hypervisor(machine.uri)), said)

    return tuple(at_once(opened, machines))


def capacities(sites: Sequence[Site]) -> tuple[Capacity, ...]:
    """What the machines have and what is in use of it."""
    return tuple(at_once(lambda site: site.hypervisor.capacity(site.machine.name), sites))


def place(specs: Sequence[NodeSpec], sites: Sequence[Site], *, pinned: bool) -> Mapping[str, int]:
    """The number of every node's machine; HostError when one has no room. One machine takes all."""
    if len(sites) == 1:
        return {spec.name: 0 for spec in specs}
    return placement.place(specs, capacities(sites), pinned=pinned)


def at_once(act: Callable[[S], T], things: Sequence[S]) -> list[T]:
    """The results of doing the same with all of them at the same time; raises what the first one raised."""
    with ThreadPoolExecutor(max(1, len(things))) as pool:
        return list(pool.map(act, things))
