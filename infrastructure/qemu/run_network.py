"""The network of a run: a libvirt network with addresses that are not in use."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from xml.etree.ElementTree import fromstring

from continuum.errors import ProvisionError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import libvirt_xml
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.settings import Settings

FIRST_HOST = 2
"""Offset of the first guest's address; the host has the first address of the network."""

MOST_NODES = 253
_GATEWAY = re.compile(
    r"^(?P<interface>\S+)\t(?P<net>[0-9A-F]{8})\t\S+\t\S+\t\S+\t\S+\t\S+\t(?P<mask>[0-9A-F]{8})"
)


def candidates(prefix: str, middle: int) -> Iterator[IPv4Network]:
    """Networks to try, in order, beginning with the configured one."""
    for number in range(254):
        yield IPv4Network(f"{prefix}.{(middle - 1 + number) % 254 + 1}.0/24")


def free(prefix: str, middle: int, taken: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """The candidates that do not overlap with a network in ``taken``."""
    for network in candidates(prefix, middle):
        if not any(network.overlaps(other) for other in taken):
            yield network


def addresses(network: IPv4Network, specs: Sequence[NodeSpec]) -> dict[str, str]:
    """Addresses of the nodes on a network, by name."""
    return {spec.name: str(network[FIRST_HOST + number]) for number, spec in enumerate(specs)}


def host_routes(table: str) -> tuple[IPv4Network, ...]:
    """Networks in the routing table of a host, from ``/proc/net/route``, without the default route."""
    found = []
    for line in table.splitlines():
        match = _GATEWAY.match(line)
        if match and match["mask"] != "00000000":
            net, mask = (bytes.fromhex(match[name])[::-1] for name in ("net", "mask"))
            found.append(IPv4Network((net, socket.inet_ntoa(mask))))
    return tuple(found)


def create(
    hypervisor: Hypervisor,
    settings: Settings,
    run_id: str,
    directory: Path,
    routes: Sequence[IPv4Network],
) -> IPv4Network:
    """Create the run's libvirt network on a free range of addresses; returns the range.

    Args:
        hypervisor: the daemon.
        settings: first range to try, and whether the network has NAT.
        run_id: the run.
        directory: its folder.
        routes: networks in the machine's routing table.

    Raises:
        ProvisionError: libvirt refuses, or every range is in use.
    """
    taken = [*_known(hypervisor), *routes]
    refused = ""
    for count, network in enumerate(free(settings.prefix, settings.middle, taken)):
        text = libvirt_xml.network(run_id, directory, str(network[1]), nat=settings.nat)
        try:
            hypervisor.api.networkCreateXML(text)
        except Exception as error:
            if not hypervisor.is_refusal(error):
                raise
            refused = str(error)
            if count >= 5 or "in use" not in refused:  # another run has just taken it
                break
        else:
            return network
    refused = refused or f"every {settings.prefix}.x.0/24 is in use; set prefixIP to another prefix"
    raise ProvisionError(f"{hypervisor.uri}: cannot create a network: {refused}")


def _known(hypervisor: Hypervisor) -> Iterator[IPv4Network]:
    """Ranges of all libvirt networks, active or not."""
    with hypervisor.doing(f"{hypervisor.uri}: listing networks"):
        texts = [one.XMLDesc() for one in hypervisor.api.listAllNetworks()]
    for text in texts:
        for ip in fromstring(text).findall("ip"):  # noqa: S314 - libvirt wrote it
            mask = ip.get("netmask") or ip.get("prefix")
            if ip.get("family", "ipv4") == "ipv4" and ip.get("address") and mask:
                yield IPv4Network(f"{ip.get('address')}/{mask}", strict=False)
