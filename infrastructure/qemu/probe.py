"""What this host is missing for guests, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec

from continuum.config import topology_builder
from continuum.errors import ContinuumError, HostError, Problem
from continuum.host import capacity
from continuum.host.facts import Host
from continuum.model.config import Config
from continuum.model.topology import Topology
from continuum.modules.base import Finding
from infrastructure.qemu import acceleration, fleet, image, placement, run_network
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.settings import Settings, from_config

LEAST_MEMORY_MB = 192
"""With less, Debian's kernel and Python do not start."""

_LIBRARIES = {"libvirt": "libvirt-python", "pycdlib": "pycdlib"}
_EXTRA = "pip install 'continuum-bench[qemu]'"
_BUILD = "continuum image build --provider qemu"


def problems(config: Config, host: Host) -> Iterator[Problem]:
    """Why the guests of a config cannot run, or only with distorted results."""
    section, pinned = config.infrastructure, config.infrastructure.flag("cpu_pin")
    settings, topology = from_config(config), topology_builder.from_config(config)
    for module, package in _LIBRARIES.items():
        if find_spec(module) is None:
            yield Problem(f"provider qemu needs {package}; to fix it: {_EXTRA}")
    if not image.is_there(settings.image):
        what, remedy = "the base image for guests is missing", _BUILD
        if settings.image:
            what, remedy = (
                "no such file or folder",
                f"give the path of a disk, or {_BUILD} --name {settings.image}",
            )
        yield section.problem("qemu_image", f"{what}; to fix it: {remedy}")
    yield from _sizes(topology)
    if len(settings.machines) == 1 and settings.machines[0].is_local:
        yield from capacity.shortages(topology, pinned, host, reserves_memory=True)
    yield from _machines(settings, topology, pinned, host)


def _machines(settings: Settings, topology: Topology, pinned: bool, host: Host) -> Iterator[Problem]:
    """Problems with the machines, as far as they can be seen from here."""
    if any(find_spec(module) is None for module in _LIBRARIES):
        return
    with ExitStack() as stack:
        try:
            sites = fleet.open_all(settings.machines, stack)
            if len(sites) > 1 or not sites[0].machine.is_local:
                yield from _no_room(topology, pinned, sites)
            for site in sites:
                yield from _slow(site, settings, host)
        except ContinuumError as error:
            yield from error.problems if isinstance(error, HostError) else (Problem(str(error)),)


def _no_room(topology: Topology, pinned: bool, sites: Sequence[Site]) -> Iterator[Problem]:
    """Check that the nodes fit, with the sizes of machines that libvirt reports."""
    there = fleet.capacities(sites)
    placed = placement.place(topology.nodes, there, pinned=pinned)
    if words := placement.overload(topology.nodes, there, placed):
        yield Problem(
            f"{words}: results that depend on CPU speed are wrong as soon as all are busy; use fewer nodes,"
            " fewer cores or a lower quota",
            severity="warning",
        )


def _sizes(topology: Topology) -> Iterator[Problem]:
    if len(topology.nodes) > run_network.MOST_NODES:
        yield Problem(
            f"{len(topology.nodes)} nodes: a run's network has {run_network.MOST_NODES} addresses; use fewer"
        )
    for tier in topology.tiers:
        if tier.memory_mb < LEAST_MEMORY_MB:
            yield Problem(
                f"{tier.name} nodes have {tier.memory_mb} MiB of memory; give them at least {LEAST_MEMORY_MB}"
            )


def _slow(site: Site, settings: Settings, host: Host) -> Iterator[Problem]:
    chosen = site.acceleration(settings.acceleration, host)
    if chosen.why:
        where = "" if site.machine.is_local else f"{site.machine.name}: "
        yield Problem(f"{where}{SLOW}: {chosen.why}", severity="warning")


SLOW = "guests run without KVM (TCG emulation), ten times slower or more"


def findings(host: Host) -> Iterable[Finding]:
    """Whether guests can run on this host; asks no daemon, since that may take a minute."""
    for module, package in _LIBRARIES.items():
        there = find_spec(module) is not None
        yield Finding(package, there, "installed" if there else "missing", "" if there else _EXTRA)
    emulator = host.find_command(f"qemu-system-{host.machine}")
    remedy = "" if emulator else "sudo apt-get install qemu-system-x86 qemu-utils libvirt-daemon-system"
    yield Finding("QEMU", emulator is not None, str(emulator or "missing"), remedy)
    why = acceleration.kvm_obstacle(host)
    yield Finding("KVM", not why, why or "a test guest ran", "")
    there = image.is_there("")
    yield Finding(
        "base image", there, str(image.own_image()) if there else "missing", "" if there else _BUILD
    )
