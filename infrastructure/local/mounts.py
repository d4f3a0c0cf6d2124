"""Which file systems of the host a node overlays, and which paths it sees besides; pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from continuum.host.mounts import Mount

PRIVATE = ("/proc", "/sys", "/dev", "/tmp", "/run")  # noqa: S108 - mount points a node has for itself
_CHANGED = ("/etc", "/home", "/opt", "/srv", "/usr", "/var")
_WRITABLE = frozenset(
    {"9p", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nfs", "nfs4", "reiserfs", "tmpfs"}
    | {"virtiofs", "xfs", "zfs"}
)
_READ_ONLY = frozenset({"erofs", "exfat", "iso9660", "ntfs3", "squashfs", "vfat"})
_OWN_FILES = ("/etc/hosts", "/etc/hostname")
"""Containers have these mounted from outside; a node's own must not be covered by them."""


def overlaid(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Mount points whose files a node sees and may change for itself: ``/``, then the real ones below."""
    return ("/", *_points(mounts, _WRITABLE))


def attached(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Mount points whose files a node sees read-only, such as those of snaps, of which there are many."""
    return _points(mounts, _READ_ONLY)


def _points(mounts: Iterable[Mount], kinds: frozenset[str]) -> tuple[str, ...]:
    """Mount points of some kinds of file systems below ``/``, outer ones first.

    Left out are what nodes have for themselves, file systems of the kernel, of containers (``overlay``), and
    those served by a program (``fuse``), which may refuse even root.
    """
    last = {mount.point: mount for mount in mounts}
    return tuple(
        point
        for point in sorted(last)
        if point not in ("/", *_OWN_FILES) and last[point].kind in kinds and not lies_below(point, PRIVATE)
    )


def overlaid_as_user(folders: Iterable[str], mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Those of the folders in ``/`` that nodes change for themselves in a user namespace.

    Nothing may be mounted below them. Others than the usual ones are left out for speed: an overlay each.
    """
    points = {mount.point for mount in mounts}
    return tuple(
        folder
        for folder in sorted(set(folders) & set(_CHANGED))
        if not any(point != folder and lies_below(point, (folder,)) for point in points)
    )


def lies_below(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of the folders or within one."""
    parts = PurePath(path)
    return any(parts.is_relative_to(folder) for folder in folders)


def shown(paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths a node would not see otherwise, each once, none within another."""
    hidden = sorted({path for path in paths if lies_below(path, PRIVATE)})
    kept: list[str] = []
    for path in hidden:
        if not lies_below(path, kept):
            kept.append(path)
    return tuple(kept)
