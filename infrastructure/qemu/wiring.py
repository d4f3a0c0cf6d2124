"""How the guests of a run are connected: a bridge where one machine can make it, switches otherwise."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from continuum.errors import HostError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import names, switch
from infrastructure.qemu.describe import Plug, Wire
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.seed import Card

MANAGEMENT_NET, MANAGEMENT_GATEWAY, MANAGEMENT_RESOLVER = "10.0.2.15/24", "10.0.2.2", "10.0.2.3"
"""Where QEMU's own address translation expects a guest, and what it is itself."""

FIRST_MANAGEMENT = IPv4Address("10.78.0.1")
"""Address of the first guest on the network that is not shaped, a /16 that guests alone know."""


@dataclass(frozen=True)
class Connected:
    """How one guest is connected.

    Attributes:
        wire: its interfaces, for libvirt.
        cards: the same, for its seed.
        host: where its ssh daemon answers, seen from its machine.
        port: the port there.
    """

    wire: Wire
    cards: tuple[Card, ...]
    host: str
    port: int


def needs_switches(sites: Sequence[Site]) -> bool:
    """Whether guests of these machines need switches: they are apart, or nobody may make a bridge."""
    return len(sites) > 1 or sites[0].machine.is_session


def bridged(
    specs: Sequence[NodeSpec], run_id: str, addresses: Mapping[str, str], gateway: str
) -> dict[str, Connected]:
    """Guests on the run's libvirt network, by name."""
    found = {}
    for number, spec in enumerate(specs):
        address = addresses[spec.name]
        card = Card(names.mac(run_id, number), f"{address}/24", gateway, further=_managed(spec, number))
        found[spec.name] = Connected(Wire(card.mac, names.label(run_id)), (card,), address, 22)
    return found


def switched(
    specs: Sequence[NodeSpec], run_id: str, addresses: Mapping[str, str], *, apart: bool, nat: bool
) -> dict[str, Connected]:
    """Guests on the switches of their machines, each with an interface of its own for ssh, by name.

    Args:
        specs: the nodes.
        run_id: the run.
        addresses: of the nodes, by name.
        apart: whether frames go from machine to machine.
        nat: whether guests reach beyond their machine.
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
        plug, port = switch.guest_plug(run_id, number), switch.ssh_port(number)
        wire = Wire(card.mac, plug=plug, ssh_mac=ssh_card.mac, ssh_port=port, nat=nat)
        found[spec.name] = Connected(wire, (card, ssh_card), plug.here, port)
    return found


def _managed(spec: NodeSpec, number: int) -> tuple[str, ...]:
    """The second address of a guest that is to have one.

    It is on the same interface: links are shaped by the address that packets go to, and none goes to these.
    """
    return (f"{FIRST_MANAGEMENT + number}/16",) if spec.is_managed else ()


def switches(
    sites: Sequence[Site], guests: Sequence[Sequence[Plug]], run_id: str, directory: Path
) -> tuple[str, ...]:
    """The description of every machine's switch.

    Args:
        sites: the machines.
        guests: the guests' plugs on each of them.
        run_id: the run.
        directory: its folder.

    Raises:
        HostError: a machine can have no switch, or none that reaches the first one's.
    """
    for site in sites:
        if (kind := site.hypervisor.machine()) != switch.MACHINE:
            raise HostError(
                f"{site.machine.name}: it is {kind}, and guests on several machines or of a user's own daemon"
                f" need {switch.MACHINE}; use qemu:///system and one machine"
            )
    plugs = [[plug.opposite for plug in own] for own in guests]
    used = {port for site in sites for port in site.survey.udp_ports}
    for number, site in enumerate(sites[1:], 1):
        tunnel = _tunnel(sites[0], site, run_id, used)
        plugs[0].append(tunnel)
        plugs[number].append(tunnel.opposite)
    return tuple(switch.describe_switch(run_id, directory, own) for own in plugs)


def _tunnel(first: Site, other: Site, run_id: str, used: set[int]) -> Plug:
    """The first machine's end of a tunnel; its ports are in use from now on."""
    free = [port for port in range(switch.FIRST_PORT, switch.LAST_PORT + 1) if port not in used]
    ports = random.SystemRandom().sample(free, 2)
    used.update(ports)
    here, there = between(first, other) or (switch.loopback(run_id),) * 2
    return Plug(here, ports[0], there, ports[1])


def between(one: Site, other: Site) -> tuple[str, str] | None:
    """Addresses at which two machines reach each other; None when they are the same.

    Raises:
        HostError: one has none that a tunnel could use.
    """
    if one.machine.is_local and other.machine.is_local:
        return None
    if one.machine.is_local:
        found = other.survey.caller, other.survey.address
    elif other.machine.is_local:
        found = one.survey.address, one.survey.caller
    else:
        found = one.survey.address, other.survey.address
    for address, site in zip(found, (one, other), strict=True):
        if ":" in address or not address:
            raise HostError(
                f"{site.machine.name}: tunnels between machines need IPv4 addresses and ssh has come by"
                f" {address or 'none'}; write the machines' IPv4 addresses"
            )
    return found
