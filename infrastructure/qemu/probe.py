"""What this host lacks for guests, each with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from continuum import capacity
from continuum.errors import HostError, Problem
from continuum.host import Host
from continuum.module import Finding
from continuum.topology import Topology
from infrastructure.qemu import acceleration, image, wires
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.settings import Settings

LEAST_MEMORY_MB = 192
"""Below that Debian's kernel and Python do not get to their feet."""

_LIBRARIES = {"libvirt": "libvirt-python", "pycdlib": "pycdlib"}
_EXTRA = "pip install 'continuum-bench[qemu]'"
_BUILD = "continuum image build --provider qemu"


def problems(settings: Settings, topology: Topology, pinned: bool, host: Host) -> Iterator[Problem]:
    """Why these guests cannot be on this host, or should not."""
    for module, package in _LIBRARIES.items():
        if find_spec(module) is None:
            yield Problem(f"provider qemu needs {package}; to mend it: {_EXTRA}")
    if not image.is_there(settings.image):
        what = f"there is no {settings.image}" if settings.image else "there is no base image for guests"
        yield Problem(f"{what}; to mend it: {_BUILD}")
    yield from _sizes(topology)
    yield from _unreachable(settings.uri)
    if settings.is_local:
        yield from _too_much(topology, pinned, host)
        yield from _slow(settings, host)


def _unreachable(uri: str) -> Iterator[Problem]:
    if any(find_spec(module) is None for module in _LIBRARIES):
        return
    try:
        Hypervisor(uri).close()
    except HostError as error:
        yield from error.problems


def _sizes(topology: Topology) -> Iterator[Problem]:
    if len(topology.nodes) > wires.MOST_NODES:
        yield Problem(f"{len(topology.nodes)} nodes: a run's network holds {wires.MOST_NODES}; use fewer")
    for tier in topology.tiers:
        if tier.memory_mb < LEAST_MEMORY_MB:
            yield Problem(
                f"{tier.name} nodes have {tier.memory_mb} MiB of memory; a guest needs {LEAST_MEMORY_MB}"
            )


def _too_much(topology: Topology, pinned: bool, host: Host) -> Iterator[Problem]:
    yield from capacity.shortages(topology, pinned, host)


def _slow(settings: Settings, host: Host) -> Iterator[Problem]:
    chosen = acceleration.choose(settings.acceleration, host)
    if chosen.why:
        yield Problem(f"{SLOW}: {chosen.why}", severity="warning")


SLOW = "guests run without KVM, ten times slower or more"


def findings(host: Host) -> Iterable[Finding]:
    """What this host can do for guests; asks no daemon, which might not answer for a minute."""
    for module, package in _LIBRARIES.items():
        there = find_spec(module) is not None
        yield Finding(package, there, "installed" if there else "missing", "" if there else _EXTRA)
    emulator = host.find_command(f"qemu-system-{host.machine}")
    remedy = "" if emulator else "sudo apt-get install qemu-system-x86 qemu-utils libvirt-daemon-system"
    yield Finding("QEMU", emulator is not None, str(emulator or "missing"), remedy)
    why = acceleration.lack(host)
    yield Finding("KVM", not why, why or "a tiny guest ran to its end", "")
    there = image.is_there("")
    yield Finding(
        "base image", there, str(image.own_image()) if there else "missing", "" if there else _BUILD
    )
