"""XML descriptions of domains, networks, pools and volumes for libvirt; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from continuum.model.topology import NodeSpec
from infrastructure.qemu import names

CFS_PERIOD_US = 10_000
"""Period of CPU quotas: short, so that work of a few milliseconds is slowed, too."""

LEAST_QUOTA_US = 1_000
"""The smallest quota that libvirt accepts."""

QEMU_SPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
"""XML namespace of QEMU's own arguments."""

_KERNEL_LINE = (
    "root=/dev/vda rootfstype=ext4 rootflags=noatime rw"
    " console={console} net.ifnames=0 mitigations=off {extra}"
)
_MACHINES = {"x86_64": ("q35", "ttyS0"), "aarch64": ("virt", "ttyAMA0")}
_EMULATED_CLOCK = "clocksource=hpet"
"""Kernel argument of TCG-emulated guests. They calibrate their TSC while they boot, and on a busy host their
clock is then up to 10 % wrong. The frequency of the HPET is fixed."""
_SLOW_FEATURES = ("erms", "fsrm", "la57", "avx", "avx2", "f16c", "fma")
"""Processor features that make TCG-emulated guests slower.

With the first two, guests copy memory byte by byte, which takes six times as long; with the third, page
tables have one more level. With the others, programs choose instructions that QEMU emulates more slowly:
importing an image into containerd took 50 % longer, classifying a frame 10 %.
"""


@dataclass(frozen=True)
class Boot:
    """Files that a guest boots from, as paths on its machine.

    Attributes:
        disk: its disk, an overlay over the base image.
        seed: disk with its configuration.
        console: file that its console is written to.
        kernel: kernel to boot directly; empty if the disk has a boot loader.
        initrd: initial RAM file system of the kernel; empty if the disk has a boot loader.
    """

    disk: str
    seed: str
    console: str
    kernel: str = ""
    initrd: str = ""


@dataclass(frozen=True)
class UdpEndpoint:
    """One end of a link of Ethernet frames in UDP datagrams.

    Attributes:
        here: address of this end.
        here_port: its port.
        there: address of the other end.
        there_port: its port.
    """

    here: str
    here_port: int
    there: str
    there_port: int

    @property
    def opposite(self) -> UdpEndpoint:
        """The other end."""
        return UdpEndpoint(self.there, self.there_port, self.here, self.here_port)


@dataclass(frozen=True)
class GuestInterfaces:
    """The network interfaces of a guest.

    Attributes:
        mac: hardware address of the interface on the run's network.
        network: libvirt's name of that network; empty if ``udp`` is given.
        udp: its end of the link to the run's switch.
        ssh_mac: hardware address of a second interface, for ssh; empty if there is none.
        ssh_port: port, at the address of ``udp``, that is forwarded to the guest's ssh daemon.
        nat: whether the second interface leads to the host's networks, too.
    """

    mac: str
    network: str = ""
    udp: UdpEndpoint | None = None
    ssh_mac: str = ""
    ssh_port: int = 0
    nat: bool = False


def domain(
    run_id: str,
    directory: Path,
    spec: NodeSpec,
    boot: Boot,
    interfaces: GuestInterfaces,
    *,
    kvm: bool,
    machine: str,
) -> str:
    """The domain of a guest; CPU quotas are applied later, after it has booted."""
    model, console = _MACHINES.get(machine, _MACHINES["x86_64"])
    root = Element("domain", type="kvm" if kvm else "qemu")
    _text(root, "name", names.domain(run_id, spec.name))
    note(root, run_id, directory)
    _text(root, "memory", str(spec.memory_mb), unit="MiB")
    _text(root, "vcpu", str(vcpus(spec)), placement="static", **_cpuset(spec))
    if spec.cpus:
        tuning = SubElement(root, "cputune")
        for number, cpu in zip(range(vcpus(spec)), spec.cpus, strict=False):
            SubElement(tuning, "vcpupin", vcpu=str(number), cpuset=str(cpu))
    system = SubElement(root, "os")
    _text(system, "type", "hvm", arch=machine, machine=model)
    if boot.kernel:
        extra = _EMULATED_CLOCK if machine == "x86_64" and not kvm else ""
        _text(system, "kernel", boot.kernel)
        _text(system, "initrd", boot.initrd)
        _text(system, "cmdline", _KERNEL_LINE.format(console=console, extra=extra).strip())
    features = SubElement(root, "features")
    SubElement(features, "acpi")
    _processor(root, kvm=kvm, machine=machine)
    SubElement(root, "clock", offset="utc")
    _text(root, "on_crash", "destroy")
    _devices(root, spec, boot, interfaces)
    if interfaces.udp:
        _forward(root, interfaces, interfaces.udp.here)
    return _string(root)


def vcpus(spec: NodeSpec) -> int:
    """Number of virtual processors of a guest: one per started core."""
    return max(1, math.ceil(spec.cores))


def quota_us(spec: NodeSpec) -> int:
    """CPU time of each virtual processor per ``CFS_PERIOD_US``; -1 without a limit."""
    share = spec.cpu_limit / vcpus(spec)
    return -1 if share >= 1 else max(LEAST_QUOTA_US, round(share * CFS_PERIOD_US))


def _processor(root: Element, *, kvm: bool, machine: str) -> None:
    cpu = SubElement(root, "cpu", mode="host-passthrough" if kvm else "maximum")
    if machine == "x86_64" and not kvm:
        for name in _SLOW_FEATURES:
            SubElement(cpu, "feature", policy="disable", name=name)


def _cpuset(spec: NodeSpec) -> dict[str, str]:
    return {"cpuset": ",".join(map(str, spec.cpus))} if spec.cpus else {}


def _devices(root: Element, spec: NodeSpec, boot: Boot, interfaces: GuestInterfaces) -> None:
    devices = SubElement(root, "devices")
    _disk(devices, "qcow2", boot.disk, "vda", spec)
    _disk(devices, "raw", boot.seed, "vdb", None)
    if interfaces.udp:
        card = SubElement(devices, "interface", type="udp")
        source = SubElement(card, "source", address=interfaces.udp.there, port=str(interfaces.udp.there_port))
        SubElement(source, "local", address=interfaces.udp.here, port=str(interfaces.udp.here_port))
    else:
        card = SubElement(devices, "interface", type="network")
        SubElement(card, "source", network=interfaces.network)
    SubElement(card, "mac", address=interfaces.mac)
    SubElement(card, "model", type="virtio")
    serial = SubElement(devices, "serial", type="file")
    SubElement(serial, "source", path=boot.console)
    generator = SubElement(devices, "rng", model="virtio")
    _text(generator, "backend", "/dev/urandom", model="random")
    SubElement(devices, "memballoon", model="none")
    SubElement(devices, "controller", type="usb", model="none")


def _disk(devices: Element, kind: str, path: str, name: str, spec: NodeSpec | None) -> None:
    disk = SubElement(devices, "disk", type="file", device="disk")
    options: dict[str, str] = {"cache": "unsafe", "discard": "unmap"} if spec else {}
    SubElement(disk, "driver", {"name": "qemu", "type": kind, **options})
    SubElement(disk, "source", file=path)
    SubElement(disk, "target", dev=name, bus="virtio")
    if spec is None:
        SubElement(disk, "readonly")
        return
    rates = {"read_bytes_sec": spec.read_mb_per_s, "write_bytes_sec": spec.write_mb_per_s}
    if any(rates.values()):
        tuning = SubElement(disk, "iotune")
        for name_, rate in rates.items():
            if rate:
                _text(tuning, name_, str(round(rate * 1e6)))


def _forward(root: Element, interfaces: GuestInterfaces, address: str) -> None:
    """An interface behind QEMU's user-mode network; libvirt 9 cannot describe its forwarded port."""
    register_namespace("qemu", QEMU_SPACE)
    line = SubElement(root, f"{{{QEMU_SPACE}}}commandline")
    restrict = "off" if interfaces.nat else "on"
    for word in (
        "-netdev",
        f"user,id=ssh,restrict={restrict},hostfwd=tcp:{address}:{interfaces.ssh_port}-:22",
        "-device",
        f"virtio-net-pci,netdev=ssh,mac={interfaces.ssh_mac},addr=0x1e",
    ):
        SubElement(line, f"{{{QEMU_SPACE}}}arg", value=word)


def network(run_id: str, directory: Path, address: str, *, nat: bool) -> str:
    """The network of a run: a bridge that the host is connected to, without DNS and DHCP.

    Args:
        run_id: the run.
        directory: its folder.
        address: the host's address on the network, a /24.
        nat: whether guests reach the host's networks.
    """
    root = Element("network")
    _text(root, "name", names.label(run_id))
    note(root, run_id, directory)
    if nat:
        SubElement(root, "forward", mode="nat")
    SubElement(root, "bridge", name=names.bridge(run_id), stp="off", delay="0")
    SubElement(root, "dns", enable="no")
    SubElement(root, "ip", address=address, netmask="255.255.255.0")
    return _string(root)


def pool(name: str, path: str) -> str:
    """A storage pool: a folder of disks."""
    root = Element("pool", type="dir")
    _text(root, "name", name)
    _text(SubElement(root, "target"), "path", path)
    return _string(root)


def volume(name: str, capacity_bytes: int, kind: str = "raw", base: tuple[str, str] | None = None) -> str:
    """A volume: a file of a pool.

    Args:
        name: the file's name.
        capacity_bytes: its size, as the guest sees it.
        kind: ``raw`` or ``qcow2``.
        base: path and format of its backing file; None without one.
    """
    root = Element("volume")
    _text(root, "name", name)
    _text(root, "capacity", str(capacity_bytes), unit="bytes")
    _text(root, "allocation", "0")
    SubElement(SubElement(root, "target"), "format", type=kind)
    if base is not None:
        backing = SubElement(root, "backingStore")
        _text(backing, "path", base[0])
        SubElement(backing, "format", type=base[1])
    return _string(root)


def note(root: Element, run_id: str, directory: Path) -> None:
    """Add the run's id and folder, by which leftovers are found."""
    register_namespace("continuum", names.NAMESPACE)
    noted = SubElement(SubElement(root, "metadata"), f"{{{names.NAMESPACE}}}run")
    noted.set("id", run_id)
    noted.set("directory", str(directory))


def directory_of(description: str) -> str:
    """The run's folder from a description; empty if it is not noted.

    Pools have no metadata; the path of a pool inside the run's folder tells the folder.
    """
    from xml.etree.ElementTree import fromstring

    root = fromstring(description)  # noqa: S314 - libvirt wrote it
    path = root.findtext("target/path", "")
    if root.tag == "pool":
        return path.removesuffix("/guests") if path.endswith("/guests") else ""
    noted = root.find(f"metadata/{{{names.NAMESPACE}}}run")
    return "" if noted is None else noted.get("directory", "")


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = text


def _string(root: Element) -> str:
    indent(root)
    return tostring(root, encoding="unicode") + "\n"
