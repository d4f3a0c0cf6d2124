"""The second network of nodes that are to have one: a bridge of the run's own, without any emulation.

Its bridge is in the network namespace of a container that does nothing else, the hub; each node has one end
of a pair of interfaces, the bridge the other. So this host's own namespace holds nothing of it, and all of it
is gone with the containers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from continuum.errors import HostError, ProvisionError
from continuum.host import netns
from continuum.model.topology import NodeSpec
from continuum.network.fabric import tun
from infrastructure.docker.interfaces import PREFIX_BITS, Place

HUB = "management"
"""What the hub is called, as a node would be."""

INTERFACE = "mgmt0"
FIRST_ADDRESS = IPv4Address("10.78.0.1")
_TIMEOUT_S = 60.0


def addresses(specs: Sequence[NodeSpec]) -> dict[str, str]:
    """Address of every node that is to have one, by its name; pure."""
    return {spec.name: str(FIRST_ADDRESS + n) for n, spec in enumerate(specs) if spec.is_managed}


def connect(hub: int, places: Sequence[Place]) -> None:
    """Make the bridge and connect nodes to it.

    Args:
        hub: process 1 of the hub, in this host's numbers.
        places: the nodes, with their addresses on this network.

    Raises:
        HostError: this host has no ``ip``.
        ProvisionError: the kernel refuses something.
    """

    def work() -> None:
        netns.enter(hub)
        _run_ip(_commands(places))
        for place in places:
            netns.enter(place.pid)
            tun.configure(INTERFACE, place.address, PREFIX_BITS)

    try:
        netns.visit(work)
    except OSError as error:
        raise ProvisionError(f"the management network cannot be made: {error}") from error


def _commands(places: Sequence[Place]) -> list[str]:
    """Lines for ``ip -batch`` within the hub; pure."""
    lines = ["link add bridge0 type bridge", "link set bridge0 up"]
    for number, place in enumerate(places):
        lines += [
            f"link add node{number} type veth peer name {INTERFACE} netns {place.pid}",
            f"link set node{number} master bridge0 up",
        ]
    return lines


def _run_ip(commands: Sequence[str]) -> None:
    """Run them in the network namespace of this very thread, which the process inherits."""
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"],
            input="\n".join([*commands, ""]),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise HostError("ip is missing; run: sudo apt-get install iproute2") from None
    if done.returncode:
        raise ProvisionError(f"the management network cannot be made: {done.stderr.strip()}")


def places(names: Mapping[str, int], given: Mapping[str, str]) -> list[Place]:
    """The nodes that have an address on this network, with their process 1."""
    return [Place(name, names[name], address) for name, address in given.items()]
