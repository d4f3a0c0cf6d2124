"""A network between guests that needs no bridge and no root: frames in datagrams, copied by a switch.

On every machine of a run one QEMU without a disk is the switch: its hub joins the datagram sockets of the
guests there with tunnels to other machines. Its processor is halted; QEMU's own threads move the frames.
The tunnels form a star around the first machine, since a hub repeats what it hears and must find no circle.
Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from infrastructure.qemu import describe, names
from infrastructure.qemu.describe import Plug

MTU_BYTES = 1450
"""Of guests whose frames leave their machine: 14 bytes of Ethernet and 28 of UDP and IP are added to them."""

FIRST_PORT, LAST_PORT = 20_000, 29_999
"""Ports of tunnels, below those that kernels give to others by themselves."""

MACHINE = "x86_64"
"""Hardware architecture of switches: others' processors would not halt without a system."""

_MEMORY_MB = 16
_GUEST_PORT, _SWITCH_PORT, _SSH_PORT = 20_000, 24_000, 28_000


def loopback(run_id: str) -> str:
    """An address of the loopback network that is this run's, so that runs need not agree upon ports."""
    one, two, three = hashlib.sha256(names.label(run_id).encode()).digest()[:3]
    return f"127.{one % 254 + 1}.{two}.{three % 254 + 1}"


def guest_plug(run_id: str, number: int) -> Plug:
    """The guest's end of its wire to the switch of its machine, by the node's number in the run."""
    address = loopback(run_id)
    return Plug(address, _GUEST_PORT + number, address, _SWITCH_PORT + number)


def ssh_port(number: int) -> int:
    """Port of the run's loopback address that leads to a guest's ssh daemon."""
    return _SSH_PORT + number


def describe_switch(run_id: str, directory: Path, plugs: Sequence[Plug]) -> str:
    """The switch of one machine for libvirt.

    Args:
        run_id: the run.
        directory: its folder.
        plugs: the switch's ends of its wires.
    """
    root = Element("domain", type="qemu")
    SubElement(root, "name").text = names.switch(run_id)
    describe.note(root, run_id, directory)
    SubElement(root, "memory", unit="MiB").text = str(_MEMORY_MB)
    SubElement(root, "vcpu").text = "1"
    system = SubElement(root, "os")
    SubElement(system, "type", arch=MACHINE, machine="pc").text = "hvm"
    SubElement(system, "bios", rebootTimeout="-1")  # nothing to boot from: it halts, once and for all
    SubElement(root, "on_crash").text = "destroy"
    devices = SubElement(root, "devices")
    SubElement(devices, "memballoon", model="none")
    SubElement(devices, "controller", type="usb", model="none")
    _command_line(root, plugs)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _command_line(root: Element, plugs: Sequence[Plug]) -> None:
    """A hub and its ports; libvirt has no words for those."""
    register_namespace("qemu", describe.QEMU_SPACE)
    line = SubElement(root, f"{{{describe.QEMU_SPACE}}}commandline")
    for number, plug in enumerate(plugs):
        ends = f"udp={plug.there}:{plug.there_port},localaddr={plug.here}:{plug.here_port}"
        for word in (
            *("-netdev", f"socket,id=wire{number},{ends}"),
            *("-netdev", f"hubport,id=port{number},hubid=0,netdev=wire{number}"),
        ):
            SubElement(line, f"{{{describe.QEMU_SPACE}}}arg", value=word)
