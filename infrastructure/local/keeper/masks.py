"""Files of the kernel that a node does not see or cannot change, as container engines have it.

Root on a node has the rights of a file's owner, which suffices for many of these files. What is mounted over
them cannot be removed without capabilities.
"""

# Importing pathlib would take a third of the keeper's start.
# ruff: noqa: PTH110, PTH112

from __future__ import annotations

import os
from typing import NamedTuple

from . import syscalls

HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger")


class Masks(NamedTuple):
    """What this kernel has of these paths.

    Attributes:
        files: files to hide.
        folders: folders to hide.
        read_only: files and folders to protect from changes.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    read_only: tuple[str, ...]


def of_this_kernel() -> Masks:
    """The paths that exist here."""
    return Masks(
        files=tuple(path for path in HIDDEN if os.path.exists(path) and not os.path.isdir(path)),
        folders=tuple(path for path in HIDDEN if os.path.isdir(path)),
        read_only=tuple(path for path in READ_ONLY if os.path.exists(path)),
    )


def apply(masks: Masks, root: str, nothing: str, empty: str) -> None:
    """Mount over the paths below the root folder of a node.

    Args:
        masks: the paths.
        root: the root folder of the node, with its ``/proc`` and ``/sys``.
        nothing: a file that reads as empty, for files.
        empty: the mount point of an empty folder that is read-only, for folders.
    """
    for path in masks.files:
        syscalls.bind(nothing, root + path)
    for path in masks.folders:
        syscalls.bind(empty, root + path)
    for path in masks.read_only:
        syscalls.bind(root + path, root + path, read_only=True)
