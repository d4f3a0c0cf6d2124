"""Selects the file systems of the host that a node overlays, and the paths that it sees read-only; pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from continuum.host.mounts import Mount

PRIVATE = ("/proc", "/sys", "/dev", "/tmp", "/run")  # noqa: S108 - mount points of a node
_CHANGED = ("/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")
_WRITABLE = frozenset(
    {"9p", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nfs", "nfs4", "reiserfs", "tmpfs"}
    | {"virtiofs", "xfs", "zfs"}
)
_READ_ONLY = frozenset({"erofs", "exfat", "iso9660", "ntfs3", "squashfs", "vfat"})
_OWN_FILES = ("/etc/hosts", "/etc/hostname")
"""Files that container engines mount; they must not cover those of a node."""


def overlaid(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Mount points that a node overlays, so that it can change the files for itself: ``/`` and real disks."""
    return ("/", *_points(mounts, _WRITABLE))


def attached(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Mount points that a node sees read-only, such as those of snaps."""
    return _points(mounts, _READ_ONLY)


def _points(mounts: Iterable[Mount], kinds: frozenset[str]) -> tuple[str, ...]:
    """Mount points below ``/`` with some types of file systems, outer ones first.

    Without mount points that nodes have for themselves, and without file systems of the kernel, of containers
    (``overlay``), and of programs (``fuse``), which may refuse access even to root.
    """
    last = {mount.point: mount for mount in mounts}
    return tuple(
        point
        for point in sorted(last)
        if point not in ("/", *_OWN_FILES) and last[point].kind in kinds and not lies_below(point, PRIVATE)
    )


def overlaid_as_user(folders: Iterable[str], mounts: Iterable[Mount]) -> tuple[str, ...]:
    """The folders in ``/`` that nodes overlay in a user namespace.

    Only folders without mount points below them are possible. Only the usual ones are selected, since each
    takes an overlay.
    """
    points = {mount.point for mount in mounts}
    return tuple(
        folder
        for folder in sorted(set(folders) & set(_CHANGED))
        if not any(point != folder and lies_below(point, (folder,)) for point in points)
    )


def lies_below(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of the folders or inside one."""
    parts = PurePath(path)
    return any(parts.is_relative_to(folder) for folder in folders)


def shown(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that a node would not see otherwise, each once, none inside another."""
    hidden = sorted({path for path in paths if lies_below(path, PRIVATE)})
    kept: list[str] = []
    for path in hidden:
        if not lies_below(path, kept):
            kept.append(path)
    return tuple(kept)
