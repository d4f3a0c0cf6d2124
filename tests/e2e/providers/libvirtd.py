"""What can be asked of a libvirt daemon of the tests."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from infrastructure.qemu import names


def things(uri: str) -> list[str]:
    """Names of all that the daemon has of any run."""
    import libvirt

    api = libvirt.open(uri)
    try:
        every = [*api.listAllDomains(), *api.listAllNetworks(), *api.listAllStoragePools()]
        found = [one.name() for one in every if names.run_of(one.name())]
    finally:
        api.close()
    return found


def images(uri: str) -> list[str]:
    """Files and folders of all runs' disks that a daemon of ``benchmarks.libvirtd`` has."""
    folder = Path(uri.partition("socket=")[2]).parents[1] / "lib" / "images"
    return sorted(str(path) for path in folder.glob("*/*") if names.run_of(path.parent.name) is not None)


def wires(run_id: str) -> list[int]:
    """Indices of the interfaces of this machine that are a run's; unlike names they are never used again."""
    bridge = Path("/sys/class/net", names.bridge(run_id))
    found = []
    for path in (bridge, *bridge.glob("lower_*")):
        with suppress(OSError):
            found.append(int((path / "ifindex").read_text()))
    return found


def indices() -> set[int]:
    """Indices of all interfaces of this machine."""
    found = set()
    for path in Path("/sys/class/net").glob("*/ifindex"):
        with suppress(OSError):
            found.add(int(path.read_text()))
    return found


def processes(run_id: str) -> list[str]:
    """Processes that have a run in their command or their environment, by number and name."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if run_id.encode() in told:
                    found.append(f"{entry.name} {(entry / 'comm').read_text().strip()}")
    return found
