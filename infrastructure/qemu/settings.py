"""The config keys of the provider, and their values for one config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Final

from continuum.options import Choice, Duration, Flag, Integer, Option, Text, Texts
from infrastructure.qemu import machines
from infrastructure.qemu.machines import Machine

if TYPE_CHECKING:
    from continuum.errors import Problem
    from continuum.model.config import Config
    from continuum.model.section import Section

SECTION: Final = "infrastructure"
SYSTEM = "qemu:///system"

OPTIONS: Final = (
    Option(
        SECTION,
        "qemu_uri",
        Text(),
        SYSTEM,
        "The libvirt daemon that runs the guests: `qemu:///system`, `qemu:///session` (no root needed), or "
        "a remote one, as in `qemu+ssh://root@host/system`.",
    ),
    Option(
        SECTION,
        "external_physical_machines",
        Texts(),
        (),
        "SSH addresses of further machines with libvirt, as in `user@host`, or libvirt's own addresses; "
        "nodes are placed on the least loaded one.",
        default_text="none",
    ),
    Option(
        SECTION,
        "qemu_image",
        Text(),
        None,
        "Base image of the guests: a folder that `continuum image build --provider qemu --name FOLDER` made, "
        "or a disk image with cloud-init by path or URL.",
        default_text="the image that `continuum image build --provider qemu` makes",
    ),
    Option(
        SECTION,
        "qemu_image_sha256",
        Text(),
        None,
        "SHA-256 checksum of the disk image; required for a URL.",
        default_text="not checked",
    ),
    Option(
        SECTION,
        "qemu_acceleration",
        Choice("auto", "kvm", "tcg"),
        "auto",
        "`kvm` runs guests on the processor, `tcg` emulates it, `auto` finds out with a test guest whether "
        "KVM works.",
    ),
    Option(
        SECTION,
        "qemu_boot_timeout",
        Duration(minimum=1.0),
        300.0,
        "Time limit for each guest, from its start until it has booted.",
    ),
    Option(
        SECTION,
        "qemu_nat",
        Flag(),
        False,
        "Let guests reach the host's networks by NAT; otherwise they reach only each other and the host.",
    ),
    Option(SECTION, "prefixip", Text(), "192.168", "First two numbers of the guests' addresses."),
    Option(
        SECTION,
        "middleip",
        Integer(1, 254),
        100,
        "Third number of the guests' addresses; if it is in use, the next free one.",
    ),
    Option(
        SECTION,
        "middleip_base",
        Integer(1, 254),
        90,
        "Without effect: base images are built without a network. Accepted for files of the Continuum "
        "framework.",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings of a config.

    Attributes:
        machines: the libvirt daemons that run guests; the first is ``qemu_uri``.
        image: base image by path or URL; empty for Continuum's own.
        sha256: its expected checksum; None if it is not checked.
        acceleration: ``auto``, ``kvm`` or ``tcg``.
        boot_timeout_s: time limit for each guest to boot.
        nat: whether guests reach the host's networks.
        prefix: first two numbers of the guests' addresses.
        middle: third number of the first network to try.
    """

    machines: tuple[Machine, ...]
    image: str
    sha256: str | None
    acceleration: str
    boot_timeout_s: float
    nat: bool
    prefix: str
    middle: int


def from_config(config: Config) -> Settings:
    """The settings of a checked config."""
    section = config.infrastructure
    return Settings(
        machines=machines.every(section.text("qemu_uri"), section.texts("external_physical_machines")),
        image=section.maybe_text("qemu_image") or "",
        sha256=section.maybe_text("qemu_image_sha256"),
        acceleration=section.text("qemu_acceleration"),
        boot_timeout_s=section.real("qemu_boot_timeout"),
        nat=section.flag("qemu_nat"),
        prefix=section.text("prefixip"),
        middle=section.integer("middleip"),
    )


def _machine_problems(section: Section) -> Iterator[Problem]:
    first, externals = section.text("qemu_uri"), section.texts("external_physical_machines")
    if fault := machines.uri_fault(first):
        yield section.problem("qemu_uri", fault)
    for address in externals:
        if fault := machines.fault(address):
            yield section.problem("external_physical_machines", f"{address}: {fault}")
    uris = [machine.uri for machine in machines.every(first, externals)]
    for uri in dict.fromkeys(uri for uri in uris if uris.count(uri) > 1):
        yield section.problem("external_physical_machines", f"{uri} is named twice; write it once")


def problems(section: Section) -> Iterator[Problem]:
    """Keys that are invalid or contradict each other; pure."""
    yield from _machine_problems(section)
    image = section.maybe_text("qemu_image") or ""
    sha256 = section.maybe_text("qemu_image_sha256")
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        yield section.problem("qemu_image_sha256", "not a SHA-256 checksum; write 64 hexadecimal digits")
    if "://" in image and sha256 is None:
        yield section.problem(
            "qemu_image", "a downloaded image must be verified; set qemu_image_sha256 to its checksum"
        )
    if "://" in image and not image.startswith(("http://", "https://")):
        yield section.problem(
            "qemu_image", "only http and https URLs are supported; write one, or the path of a file"
        )
    try:
        private = IPv4Address(f"{section.text('prefixip')}.0.0").is_private
    except AddressValueError:
        yield section.problem("prefixip", 'not the first two numbers of an address; write e.g. "192.168"')
        return
    if not private:
        yield section.problem("prefixip", 'not a private network; write e.g. "192.168" or "10.77"')
