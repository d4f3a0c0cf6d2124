"""The network of a run: a libvirt network with addresses that nobody else uses."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from xml.etree.ElementTree import fromstring

from continuum.errors import ProvisionError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import describe
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.settings import Settings

FIRST_HOST = 2
"""The host itself is the first address of the network."""

MOST_NODES = 253
_GATEWAY = re.compile(
    r"^(?P<interface>\S+)\t(?P<net>[0-9A-F]{8})\t\S+\t\S+\t\S+\t\S+\t\S+\t(?P<mask>[0-9A-F]{8})"
)


def candidates(prefix: str, middle: int) -> Iterator[IPv4Network]:
    """Networks to try, in order: the one asked for, then those after it."""
    for number in range(254):
        yield IPv4Network(f"{prefix}.{(middle - 1 + number) % 254 + 1}.0/24")


def free(prefix: str, middle: int, taken: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """Those of them that overlap with none of ``taken``."""
    for network in candidates(prefix, middle):
        if not any(network.overlaps(other) for other in taken):
            yield network


def addresses(network: IPv4Network, specs: Sequence[NodeSpec]) -> dict[str, str]:
    """The nodes' addresses on a network, by name."""
    return {spec.name: str(network[FIRST_HOST + number]) for number, spec in enumerate(specs)}


def host_routes(table: str) -> tuple[IPv4Network, ...]:
    """Networks this host has a way to, from the text of ``/proc/net/route``; not the default way."""
    found = []
    for line in table.splitlines():
        match = _GATEWAY.match(line)
        if match and match["mask"] != "00000000":
            net, mask = (bytes.fromhex(match[name])[::-1] for name in ("net", "mask"))
            found.append(IPv4Network((net, socket.inet_ntoa(mask))))
    return tuple(found)


def make(
    hypervisor: Hypervisor,
    settings: Settings,
    run_id: str,
    directory: Path,
    routes: Sequence[IPv4Network],
) -> IPv4Network:
    """Make the run's network at libvirt; returns its addresses.

    Args:
        hypervisor: the daemon.
        settings: where to begin the search for a free network, and whether it leads out.
        run_id: the run.
        directory: its folder.
        routes: networks that the machine has a way to.
    """
    taken = [*_known(hypervisor), *routes]
    refused = ""
    for count, network in enumerate(free(settings.prefix, settings.middle, taken)):
        text = describe.network(run_id, directory, str(network[1]), nat=settings.nat)
        try:
            hypervisor.api.networkCreateXML(text)
        except Exception as error:
            if not hypervisor.is_refusal(error):
                raise
            refused = str(error)
            if count >= 5 or "in use" not in refused:  # taken in this very moment, by another run
                break
        else:
            return network
    refused = refused or f"every {settings.prefix}.x.0/24 is in use; give another prefixIP"
    raise ProvisionError(f"{hypervisor.uri}: no network could be made: {refused}")


def _known(hypervisor: Hypervisor) -> Iterator[IPv4Network]:
    """Addresses of libvirt's networks, those that are switched off included."""
    with hypervisor.doing(f"{hypervisor.uri}: which networks there are"):
        texts = [one.XMLDesc() for one in hypervisor.api.listAllNetworks()]
    for text in texts:
        for ip in fromstring(text).findall("ip"):  # noqa: S314 - libvirt wrote it
            mask = ip.get("netmask") or ip.get("prefix")
            if ip.get("family", "ipv4") == "ipv4" and ip.get("address") and mask:
                yield IPv4Network(f"{ip.get('address')}/{mask}", strict=False)
