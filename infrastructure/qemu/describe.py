"""Descriptions of domains, networks, pools and volumes for libvirt. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from continuum.model.topology import NodeSpec
from infrastructure.qemu import names

CFS_PERIOD_US = 10_000
"""Quotas are counted per 10 ms, so that work of a few milliseconds is really slowed."""

LEAST_QUOTA_US = 1_000
"""The least that libvirt takes."""

QEMU_SPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
"""XML namespace of arguments that are QEMU's own."""

_KERNEL_LINE = (
    "root=/dev/vda rootfstype=ext4 rootflags=noatime rw"
    " console={console} net.ifnames=0 mitigations=off {extra}"
)
_MACHINES = {"x86_64": ("q35", "ttyS0"), "aarch64": ("virt", "ttyAMA0")}
_INTERPRETED = "clocksource=hpet"
"""An interpreted guest measures the speed of its TSC while it boots; on a busy host it is far off, and its
clock up to 10 % wrong. The HPET's speed is known."""
_COSTLY = ("erms", "fsrm", "la57", "avx", "avx2", "f16c", "fma")
"""What an interpreted processor had better not have.

Guests that see the first two copy memory byte by byte, which takes six times as long; with the third page
tables have a level more to walk. Programs that see the others choose instructions which take QEMU longer than
plain ones: putting an image into containerd took half as long again, classifying a frame a tenth more.
"""


@dataclass(frozen=True)
class Boot:
    """Where a guest's system comes from, as paths on the machine it runs on.

    Attributes:
        disk: its own disk, over the base image.
        seed: disk that tells it who it is.
        console: file that its console is written to.
        kernel: kernel to boot directly; empty where the disk has a boot loader.
        initrd: its initial file system; empty where the disk has a boot loader.
    """

    disk: str
    seed: str
    console: str
    kernel: str = ""
    initrd: str = ""


@dataclass(frozen=True)
class Plug:
    """One end of a wire, as a pair of datagram sockets.

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
    def opposite(self) -> Plug:
        """The other end."""
        return Plug(self.there, self.there_port, self.here, self.here_port)


@dataclass(frozen=True)
class Wire:
    """The interfaces of a guest.

    Attributes:
        mac: hardware address of the one on the run's network.
        network: libvirt's name of that network; empty where ``plug`` is given.
        plug: its end of a wire to the run's switch.
        ssh_mac: hardware address of an interface of its own for ssh; empty when there is none.
        ssh_port: port of the plug's address that leads to the guest's ssh daemon by it.
        nat: whether that interface leads to the host's networks, too.
    """

    mac: str
    network: str = ""
    plug: Plug | None = None
    ssh_mac: str = ""
    ssh_port: int = 0
    nat: bool = False


def domain(
    run_id: str, directory: Path, spec: NodeSpec, boot: Boot, wire: Wire, *, kvm: bool, machine: str
) -> str:
    """A guest; CPU quotas are put in force later, once it has booted."""
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
        extra = _INTERPRETED if machine == "x86_64" and not kvm else ""
        _text(system, "kernel", boot.kernel)
        _text(system, "initrd", boot.initrd)
        _text(system, "cmdline", _KERNEL_LINE.format(console=console, extra=extra).strip())
    features = SubElement(root, "features")
    SubElement(features, "acpi")
    _processor(root, kvm=kvm, machine=machine)
    SubElement(root, "clock", offset="utc")
    _text(root, "on_crash", "destroy")
    _devices(root, spec, boot, wire)
    if wire.plug:
        _forward(root, wire, wire.plug.here)
    return _string(root)


def vcpus(spec: NodeSpec) -> int:
    """Processors of a guest: one for each core begun."""
    return max(1, math.ceil(spec.cores))


def quota_us(spec: NodeSpec) -> int:
    """CPU time that each processor of a guest may take in ``CFS_PERIOD_US``; -1 when it may take all."""
    share = spec.cpu_limit / vcpus(spec)
    return -1 if share >= 1 else max(LEAST_QUOTA_US, round(share * CFS_PERIOD_US))


def _processor(root: Element, *, kvm: bool, machine: str) -> None:
    cpu = SubElement(root, "cpu", mode="host-passthrough" if kvm else "maximum")
    if machine == "x86_64" and not kvm:
        for name in _COSTLY:
            SubElement(cpu, "feature", policy="disable", name=name)


def _cpuset(spec: NodeSpec) -> dict[str, str]:
    return {"cpuset": ",".join(map(str, spec.cpus))} if spec.cpus else {}


def _devices(root: Element, spec: NodeSpec, boot: Boot, wire: Wire) -> None:
    devices = SubElement(root, "devices")
    _disk(devices, "qcow2", boot.disk, "vda", spec)
    _disk(devices, "raw", boot.seed, "vdb", None)
    if wire.plug:
        card = SubElement(devices, "interface", type="udp")
        source = SubElement(card, "source", address=wire.plug.there, port=str(wire.plug.there_port))
        SubElement(source, "local", address=wire.plug.here, port=str(wire.plug.here_port))
    else:
        card = SubElement(devices, "interface", type="network")
        SubElement(card, "source", network=wire.network)
    SubElement(card, "mac", address=wire.mac)
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


def _forward(root: Element, wire: Wire, address: str) -> None:
    """An interface behind QEMU's own address translation; libvirt 9 has no words for its port."""
    register_namespace("qemu", QEMU_SPACE)
    line = SubElement(root, f"{{{QEMU_SPACE}}}commandline")
    restrict = "off" if wire.nat else "on"
    for word in (
        "-netdev",
        f"user,id=ssh,restrict={restrict},hostfwd=tcp:{address}:{wire.ssh_port}-:22",
        "-device",
        f"virtio-net-pci,netdev=ssh,mac={wire.ssh_mac},addr=0x1e",
    ):
        SubElement(line, f"{{{QEMU_SPACE}}}arg", value=word)


def network(run_id: str, directory: Path, address: str, *, nat: bool) -> str:
    """A run's own network: a bridge with the host on it, no name server and no address server.

    Args:
        run_id: the run.
        directory: its folder.
        address: the host's own on the network, a /24.
        nat: whether guests reach beyond the host.
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
    """A folder that libvirt keeps disks in."""
    root = Element("pool", type="dir")
    _text(root, "name", name)
    _text(SubElement(root, "target"), "path", path)
    return _string(root)


def volume(name: str, capacity_bytes: int, kind: str = "raw", base: tuple[str, str] | None = None) -> str:
    """A file of a pool.

    Args:
        name: the file's name.
        capacity_bytes: its size, as the guest sees it.
        kind: ``raw`` or ``qcow2``.
        base: path and format of what it lies over; None when over nothing.
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
    """Whose it is: for whoever finds it when nothing else is left."""
    register_namespace("continuum", names.NAMESPACE)
    noted = SubElement(SubElement(root, "metadata"), f"{{{names.NAMESPACE}}}run")
    noted.set("id", run_id)
    noted.set("directory", str(directory))


def directory_of(description: str) -> str:
    """The run's folder that a description notes; empty when it notes none.

    A pool can note nothing; where it is in the run's folder its path tells.
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
