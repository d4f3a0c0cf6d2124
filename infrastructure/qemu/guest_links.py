"""Links of guests: a bridge if one machine has all guests and may create it, otherwise switches."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from continuum.errors import HostError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import names, switch
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.libvirt_xml import GuestInterfaces, UdpEndpoint
from infrastructure.qemu.seed import Card

MANAGEMENT_NET, MANAGEMENT_GATEWAY, MANAGEMENT_RESOLVER = "10.0.2.15/24", "10.0.2.2", "10.0.2.3"
"""Addresses of QEMU's user-mode network: guest, gateway and name server."""

FIRST_MANAGEMENT = IPv4Address("10.78.0.1")
"""Address of the first guest on the management network, a /16 that only guests use."""


@dataclass(frozen=True)
class GuestLink:
    """How one guest is connected.

    Attributes:
        interfaces: its interfaces, for libvirt.
        cards: the same, for its seed.
        host: where its ssh daemon answers, seen from its machine.
        port: the port there.
    """

    interfaces: GuestInterfaces
    cards: tuple[Card, ...]
    host: str
    port: int


def needs_switches(sites: Sequence[Site]) -> bool:
    """Whether guests need switches: there are several machines, or the daemon may not create a bridge."""
    return len(sites) > 1 or sites[0].machine.is_session


def bridged(
    specs: Sequence[NodeSpec], run_id: str, addresses: Mapping[str, str], gateway: str
) -> dict[str, GuestLink]:
    """Links of guests on the run's libvirt network, by name."""
    found = {}
    for number, spec in enumerate(specs):
        address = addresses[spec.name]
        card = Card(names.mac(run_id, number), f"{address}/24", gateway, further=_managed(spec, number))
        found[spec.name] = GuestLink(GuestInterfaces(card.mac, names.label(run_id)), (card,), address, 22)
    return found


def switched(
    specs: Sequence[NodeSpec], run_id: str, addresses: Mapping[str, str], *, apart: bool, nat: bool
) -> dict[str, GuestLink]:
    """Links of guests on the switches of their machines, each with a second interface for ssh; by name.

    Args:
        specs: the nodes.
        run_id: the run.
        addresses: addresses of the nodes, by name.
        apart: whether the guests are on several machines.
        nat: whether guests reach the networks of their machine.
    """
    found = {}
    for number, spec in enumerate(specs):
        mtu = switch.MTU_BYTES if apart else 0
        card = Card(
            names.mac(run_id, number),
            f"{addresses[spec.name]}/24",
            mtu_bytes=mtu,
            further=_managed(spec, number),
        )
        out = (MANAGEMENT_GATEWAY, MANAGEMENT_RESOLVER) if nat else ("", "")
        ssh_card = Card(names.mac(run_id, number, 1), MANAGEMENT_NET, *out)
        endpoint, port = switch.guest_endpoint(run_id, number), switch.ssh_port(number)
        interfaces = GuestInterfaces(card.mac, udp=endpoint, ssh_mac=ssh_card.mac, ssh_port=port, nat=nat)
        found[spec.name] = GuestLink(interfaces, (card, ssh_card), endpoint.here, port)
    return found


def _managed(spec: NodeSpec, number: int) -> tuple[str, ...]:
    """The management address of a guest, if it has one.

    It is on the same interface: links are shaped by destination address, and none has these.
    """
    return (f"{FIRST_MANAGEMENT + number}/16",) if spec.is_managed else ()


def switches(
    sites: Sequence[Site], guests: Sequence[Sequence[UdpEndpoint]], run_id: str, directory: Path
) -> tuple[str, ...]:
    """The XML description of every machine's switch.

    Args:
        sites: the machines.
        guests: endpoints of the guests on each machine.
        run_id: the run.
        directory: its folder.

    Raises:
        HostError: a machine cannot run a switch, or no tunnel to the first machine is possible.
    """
    for site in sites:
        if (kind := site.hypervisor.machine()) != switch.MACHINE:
            raise HostError(
                f"{site.machine.name} is {kind}, but guests on several machines or under qemu:///session"
                f" need {switch.MACHINE}; use qemu:///system and one machine"
            )
    endpoints = [[endpoint.opposite for endpoint in own] for own in guests]
    used = {port for site in sites for port in site.facts.udp_ports}
    for number, site in enumerate(sites[1:], 1):
        tunnel = _tunnel(sites[0], site, run_id, used)
        endpoints[0].append(tunnel)
        endpoints[number].append(tunnel.opposite)
    return tuple(switch.describe_switch(run_id, directory, own) for own in endpoints)


def _tunnel(first: Site, other: Site, run_id: str, used: set[int]) -> UdpEndpoint:
    """The first machine's end of a tunnel; its ports are added to ``used``."""
    free = [port for port in range(switch.FIRST_PORT, switch.LAST_PORT + 1) if port not in used]
    ports = random.SystemRandom().sample(free, 2)
    used.update(ports)
    here, there = between(first, other) or (switch.loopback(run_id),) * 2
    return UdpEndpoint(here, ports[0], there, ports[1])


def between(one: Site, other: Site) -> tuple[str, str] | None:
    """IPv4 addresses at which two machines reach each other; None if both are this machine.

    Raises:
        HostError: one has no IPv4 address.
    """
    if one.machine.is_local and other.machine.is_local:
        return None
    if one.machine.is_local:
        found = other.facts.caller, other.facts.address
    elif other.machine.is_local:
        found = one.facts.address, one.facts.caller
    else:
        found = one.facts.address, other.facts.address
    for address, site in zip(found, (one, other), strict=True):
        if ":" in address or not address:
            raise HostError(
                f"{site.machine.name}: tunnels between machines need IPv4 addresses, but ssh uses"
                f" {address or 'none'}; write the machines' IPv4 addresses"
            )
    return found
