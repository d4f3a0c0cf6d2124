"""The mounts of this host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mountinfo``.

    Attributes:
        point: mount point.
        kind: type of the file system.
        source: source of the mount, often a device.
        device: ``major:minor`` of its files.
        root: folder of the file system that is mounted.
        options: options of the file system, separated by commas.
    """

    point: str
    kind: str
    source: str = ""
    device: str = ""
    root: str = "/"
    options: str = ""


def parse(mountinfo: str) -> tuple[Mount, ...]:
    """The mounts from the content of ``/proc/self/mountinfo``."""
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) < 6 or len(right) < 3:
            continue
        mounts.append(
            Mount(_unescape(left[4]), right[0], _unescape(right[1]), left[2], _unescape(left[3]), right[2])
        )
    return tuple(mounts)


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def current() -> tuple[Mount, ...]:
    """The mounts in this process's mount namespace."""
    return parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
