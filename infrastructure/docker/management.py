"""The management network: a second network of nodes, never emulated, on a bridge that belongs to the run.

The bridge is in the network namespace of a separate container, the hub. A veth pair connects each node to it.
So the host's network namespace is not touched, and the network is deleted together with the containers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from continuum.errors import HostError, ProvisionError
from continuum.host import netns
from continuum.model.topology import NodeSpec
from continuum.network.fabric import tun
from infrastructure.docker.interfaces import PREFIX_BITS, Attachment

HUB = "management"
"""The hub's name, used like the name of a node."""

INTERFACE = "mgmt0"
FIRST_ADDRESS = IPv4Address("10.78.0.1")
_TIMEOUT_S = 60.0


def addresses(specs: Sequence[NodeSpec]) -> dict[str, str]:
    """Address of each managed node, by its name; pure."""
    return {spec.name: str(FIRST_ADDRESS + n) for n, spec in enumerate(specs) if spec.is_managed}


def connect(hub: int, attachments: Sequence[Attachment]) -> None:
    """Create the bridge and connect nodes to it.

    Args:
        hub: process id, on this host, of the hub's process 1.
        attachments: the nodes, with their addresses on this network.

    Raises:
        HostError: the command ``ip`` is missing.
        ProvisionError: the kernel refuses it.
    """

    def work() -> None:
        netns.enter(hub)
        _run_ip(_commands(attachments))
        for attachment in attachments:
            netns.enter(attachment.pid)
            tun.configure(INTERFACE, attachment.address, PREFIX_BITS)

    try:
        netns.visit(work)
    except OSError as error:
        raise ProvisionError(f"cannot create the management network: {error}") from error


def _commands(attachments: Sequence[Attachment]) -> list[str]:
    """Input of ``ip -batch`` in the hub; pure."""
    lines = ["link add bridge0 type bridge", "link set bridge0 up"]
    for number, attachment in enumerate(attachments):
        lines += [
            f"link add node{number} type veth peer name {INTERFACE} netns {attachment.pid}",
            f"link set node{number} master bridge0 up",
        ]
    return lines


def _run_ip(commands: Sequence[str]) -> None:
    """Run ``ip`` in the network namespace of this thread, which the child process inherits."""
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
        raise HostError("the command ip is missing; run: sudo apt-get install iproute2") from None
    if done.returncode:
        raise ProvisionError(f"cannot create the management network: {done.stderr.strip()}")


def attachments(pids: Mapping[str, int], addresses: Mapping[str, str]) -> list[Attachment]:
    """The attachments of managed nodes, from process ids and addresses by name."""
    return [Attachment(name, pids[name], address) for name, address in addresses.items()]
