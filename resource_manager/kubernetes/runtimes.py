"""Container runtimes: what each needs on nodes, and how containerd calls it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import Problem
from continuum.software import artifacts
from continuum.software.artifacts import Artifact

if TYPE_CHECKING:
    from continuum.model.config import Config

VERSIONS = Path(__file__).parent / "runtime_files"
"""Folder of the table of versions of their files."""

RUNC, CRUN, RUNSC, KATA_QEMU, KATA_FC = NAMES = ("runc", "crun", "runsc", "kata-qemu", "kata-fc")
OVERLAYFS, DEVMAPPER = FILE_SYSTEMS = ("overlayfs", "devmapper")
SYSTRAP, PTRACE = PLATFORMS = ("systrap", "ptrace")
SHIM = "containerd-shim-runsc-v1"
KATA = "kata-static"


@dataclass(frozen=True)
class Runtime:
    """The runtime that containers of workloads are run with; the cluster's own containers use runc.

    Attributes:
        name: as in the key ``runtime``.
        snapshotter: containerd's snapshotter for root file systems: ``overlayfs`` or ``devmapper``.
        platform: how gVisor intercepts system calls: ``systrap`` or ``ptrace``.
    """

    name: str = RUNC
    snapshotter: str = OVERLAYFS
    platform: str = SYSTRAP

    @property
    def runtime_class(self) -> str:
        """Name of the RuntimeClass that pods of workloads name; empty for the cluster's default."""
        return "" if self.name == RUNC else self.name

    @property
    def is_virtual_machine(self) -> bool:
        """Whether each pod is a virtual machine, so that nodes need hardware virtualisation."""
        return self.name in (KATA_QEMU, KATA_FC)

    @property
    def has_own_clock(self) -> bool:
        """Whether CLOCK_MONOTONIC in a pod differs from that of its node.

        gVisor starts it at 0 with each sandbox (``pkg/sentry/kernel/timekeeper.go``), a virtual machine with
        its kernel.
        """
        return self.name == RUNSC or self.is_virtual_machine

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages that nodes need."""
        return (
            *(("crun",) if self.name == CRUN else ()),
            *(("xz-utils",) if self.is_virtual_machine else ()),
            *(("dmsetup", "thin-provisioning-tools") if self.snapshotter == DEVMAPPER else ()),
        )

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the artifacts that are programs on nodes."""
        return (RUNSC, SHIM) if self.name == RUNSC else ()

    @property
    def archives(self) -> tuple[str, ...]:
        """Names of the artifacts that are unpacked on nodes."""
        return (KATA,) if self.is_virtual_machine else ()


RUNC_RUNTIME = Runtime()
"""The default."""


def chosen(config: Config) -> Runtime:
    """The runtime of a config; runc where the resource manager has no key for it."""
    section = config.benchmark
    if "runtime" not in section.values:
        return RUNC_RUNTIME
    name = section.text("runtime")
    snapshotter = section.maybe_text("runtime_filesystem") or (DEVMAPPER if name == KATA_FC else OVERLAYFS)
    is_virtual = name in (KATA_QEMU, KATA_FC)
    return Runtime(name, snapshotter if is_virtual else OVERLAYFS, section.text("runsc_platform"))


def needed(config: Config) -> tuple[Artifact, ...]:
    """The files of the chosen runtime."""
    runtime = chosen(config)
    names = (*runtime.programs, *runtime.archives)
    if not names:
        return ()
    every = artifacts.versions(VERSIONS, architecture=artifacts.architecture_of(config))
    return tuple(one for one in every if one.name in names)


def check(config: Config) -> Iterator[Problem]:
    """Keys that contradict each other, or have no effect."""
    section = config.benchmark
    name, file_system = section.text("runtime"), section.maybe_text("runtime_filesystem")
    if name == KATA_FC and file_system == OVERLAYFS:
        message = "Firecracker shares no file system with its guests; write runtime_filesystem = devmapper"
        yield section.problem("runtime_filesystem", message)
    elif file_system == DEVMAPPER and name not in (KATA_QEMU, KATA_FC):
        message = f"only kata-qemu and kata-fc use devmapper; {name} uses overlayfs"
        yield section.problem("runtime_filesystem", message, "warning")
    if section.given("runsc_platform") and name != RUNSC:
        yield section.problem("runsc_platform", f"has no effect with runtime = {name}", "warning")
