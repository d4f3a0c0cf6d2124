"""The provider's keys, and what they come to for one config."""

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
        "nodes are put on the least loaded one.",
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
        "What the disk image must hash to; must be given for a URL.",
        default_text="not checked",
    ),
    Option(
        SECTION,
        "qemu_acceleration",
        Choice("auto", "kvm", "tcg"),
        "auto",
        "`kvm` runs guests on the processor, `tcg` interprets it, `auto` proves with a tiny guest whether "
        "KVM works here.",
    ),
    Option(
        SECTION,
        "qemu_boot_timeout",
        Duration(minimum=1.0),
        300.0,
        "How long the guests may take until they can be logged in to.",
    ),
    Option(
        SECTION,
        "qemu_nat",
        Flag(),
        False,
        "Let guests reach the host's networks by address translation; otherwise they reach one another and "
        "the host alone.",
    ),
    Option(SECTION, "prefixip", Text(), "192.168", "First two numbers of the guests' addresses."),
    Option(
        SECTION,
        "middleip",
        Integer(1, 254),
        100,
        "Third number of the guests' addresses; the next free one is taken where it is in use.",
    ),
    Option(
        SECTION,
        "middleip_base",
        Integer(1, 254),
        90,
        "Without effect: base images are prepared without a network. Read so that files of the Continuum "
        "framework need no change.",
    ),
)


@dataclass(frozen=True)
class Settings:
    """What a config says about its guests.

    Attributes:
        machines: the libvirt daemons to put guests on, the first one first.
        image: base image by path or URL; empty for this project's own.
        sha256: what it must hash to; None when that is not checked.
        acceleration: ``auto``, ``kvm`` or ``tcg``.
        boot_timeout_s: deadline for all guests together.
        nat: whether guests reach beyond the host.
        prefix: first two numbers of the guests' addresses.
        middle: third number to begin the search for a free network with.
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
    """The settings of a config that has been checked."""
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
        yield section.problem("external_physical_machines", f"{uri} is there twice; write it once")


def problems(section: Section) -> Iterator[Problem]:
    """What cannot work, without a look at the host."""
    yield from _machine_problems(section)
    image = section.maybe_text("qemu_image") or ""
    sha256 = section.maybe_text("qemu_image_sha256")
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        yield section.problem("qemu_image_sha256", "not a SHA-256 hash: 64 hexadecimal digits")
    if "://" in image and sha256 is None:
        yield section.problem("qemu_image", "an image from the network needs qemu_image_sha256")
    if "://" in image and not image.startswith(("http://", "https://")):
        yield section.problem("qemu_image", "only http and https are fetched; write the path of a file")
    try:
        private = IPv4Address(f"{section.text('prefixip')}.0.0").is_private
    except AddressValueError:
        yield section.problem("prefixip", 'not the first two numbers of an address; write e.g. "192.168"')
        return
    if not private:
        yield section.problem("prefixip", 'not a private network; write e.g. "192.168" or "10.77"')
