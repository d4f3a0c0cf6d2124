"""A network between guests that requires neither a bridge nor root: Ethernet frames in UDP datagrams; pure.

The switch of a machine is a QEMU process without a disk: its hub connects the UDP sockets of the guests on
the machine with tunnels to other machines. Its processor is halted; QEMU's threads forward the frames. The
tunnels form a star around the first machine, since a hub repeats every frame and the network must have no
loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from infrastructure.qemu import libvirt_xml, names
from infrastructure.qemu.libvirt_xml import UdpEndpoint

MTU_BYTES = 1450
"""MTU of guests on several machines: tunnels add 14 bytes of Ethernet and 28 of UDP and IP."""

FIRST_PORT, LAST_PORT = 20_000, 29_999
"""Ports of tunnels, below the ephemeral ports of kernels."""

MACHINE = "x86_64"
"""Hardware architecture of switches: other processors do not halt without an operating system."""

_MEMORY_MB = 16
_GUEST_PORT, _SWITCH_PORT, _SSH_PORT = 20_000, 24_000, 28_000


def loopback(run_id: str) -> str:
    """A loopback address for this run alone, so that the ports of runs do not collide."""
    one, two, three = hashlib.sha256(names.label(run_id).encode()).digest()[:3]
    return f"127.{one % 254 + 1}.{two}.{three % 254 + 1}"


def guest_endpoint(run_id: str, number: int) -> UdpEndpoint:
    """The guest's end of its link to the switch, by the node's index in the run."""
    address = loopback(run_id)
    return UdpEndpoint(address, _GUEST_PORT + number, address, _SWITCH_PORT + number)


def ssh_port(number: int) -> int:
    """Port, at the run's loopback address, that is forwarded to a guest's ssh daemon."""
    return _SSH_PORT + number


def describe_switch(run_id: str, directory: Path, endpoints: Sequence[UdpEndpoint]) -> str:
    """The domain of the switch of one machine, as XML for libvirt.

    Args:
        run_id: the run.
        directory: its folder.
        endpoints: the switch's ends of its links.
    """
    root = Element("domain", type="qemu")
    SubElement(root, "name").text = names.switch(run_id)
    libvirt_xml.note(root, run_id, directory)
    SubElement(root, "memory", unit="MiB").text = str(_MEMORY_MB)
    SubElement(root, "vcpu").text = "1"
    system = SubElement(root, "os")
    SubElement(system, "type", arch=MACHINE, machine="pc").text = "hvm"
    SubElement(system, "bios", rebootTimeout="-1")  # without a boot device, the processor halts
    SubElement(root, "on_crash").text = "destroy"
    devices = SubElement(root, "devices")
    SubElement(devices, "memballoon", model="none")
    SubElement(devices, "controller", type="usb", model="none")
    _command_line(root, endpoints)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _command_line(root: Element, endpoints: Sequence[UdpEndpoint]) -> None:
    """The hub and its ports, which libvirt cannot describe."""
    register_namespace("qemu", libvirt_xml.QEMU_SPACE)
    line = SubElement(root, f"{{{libvirt_xml.QEMU_SPACE}}}commandline")
    for number, endpoint in enumerate(endpoints):
        ends = f"udp={endpoint.there}:{endpoint.there_port},localaddr={endpoint.here}:{endpoint.here_port}"
        for word in (
            *("-netdev", f"socket,id=wire{number},{ends}"),
            *("-netdev", f"hubport,id=port{number},hubid=0,netdev=wire{number}"),
        ):
            SubElement(line, f"{{{libvirt_xml.QEMU_SPACE}}}arg", value=word)
