"""What can be asked of a libvirt daemon of the tests."""

from __future__ import annotations

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
