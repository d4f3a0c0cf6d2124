"""Proves that no other user can change or replace what a path names.

Where another user can write to a folder of the path, that user can put another folder in its place at any
time, so that this program would read, delete or execute what that user chose.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from continuum.errors import HostError

_MOST_LINKS = 40
_OVERFLOW_ID = 65534


def resolve(path: Path) -> Path:
    """The path of an existing file or folder without symbolic links, each part of which is proved.

    Each folder on the way belongs to root or this user, and others cannot write to it. A sticky folder, such
    as ``/tmp``, may be writable by all if the next part belongs to root or this user, since others can
    neither delete nor rename that. Symbolic links are followed if the same holds for them. Since nobody
    else can change any part, a path that was proved stays valid.

    Raises:
        HostError: another user can change a part of the path; the message has the remedy.
        OSError: the path does not exist.
    """
    done, pending, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    while pending:
        part = pending.pop()
        if part == "..":
            done = done.parent
            continue
        entry = done / part
        found = entry.lstat()
        _check_folder(done, done.lstat(), found, path)
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise HostError(f"{path}: too many symbolic links")
            target = entry.readlink()
            done = Path("/") if target.is_absolute() else done
            pending += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        else:
            done = entry
    return done


def require_own_folder(path: Path) -> Path:
    """The path of this user's own folder, proved as ``resolve`` does; others cannot write to it either.

    Raises:
        HostError: it belongs to another user, or another user can change or replace it.
        OSError: it does not exist.
    """
    proved = resolve(path)
    found = proved.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise HostError(f"{proved}: not a folder")
    if found.st_uid not in own_ids():
        owner = _name(found.st_uid)
        raise HostError(f"{proved}: belongs to {owner}, who can change it; run this command as {owner}")
    if _is_shared(found):
        raise HostError(f"{proved}: other users can write to it; run: chmod go-w {proved}")
    return proved


def require_own_file(path: Path) -> Path:
    """The path of an existing file that only this user and root can change, proved as ``resolve`` does.

    Raises:
        HostError: another user can change or replace it.
    """
    proved = resolve(path)
    found = proved.lstat()
    if found.st_uid not in own_ids() | {0}:
        raise HostError(f"{proved}: refused, since it belongs to {_name(found.st_uid)}")
    if _is_shared(found):
        raise HostError(f"{proved}: refused, since other users can write to it; run: chmod go-w {proved}")
    return proved


def own_ids() -> frozenset[int]:
    """Ids of this user, including the user who became root with sudo."""
    ids = {os.geteuid()}
    if os.geteuid() == 0 and (caller := os.environ.get("SUDO_UID", "")).isdigit():
        ids.add(int(caller))
    return frozenset(ids)


def _check_folder(folder: Path, found: os.stat_result, entry: os.stat_result, path: Path) -> None:
    """HostError unless only root and this user can replace an entry of a folder."""
    trusted = own_ids() | {0} | _unmapped_ids()
    if found.st_uid not in trusted:
        raise HostError(
            f"{path}: refused, since {folder} belongs to {_name(found.st_uid)}, who can replace what is in "
            "it; set base_path to a folder of your own"
        )
    if not _is_shared(found):
        return
    if not found.st_mode & stat.S_ISVTX:
        raise HostError(
            f"{path}: refused, since other users can write to {folder} and replace what is in it; "
            f"run: chmod go-w {folder}, or set base_path to a folder of your own"
        )
    if entry.st_uid not in trusted:
        raise HostError(
            f"{path}: refused, since a part of it in {folder}, which all users share, belongs to "
            f"{_name(entry.st_uid)}; set base_path to a folder of your own"
        )


def _is_shared(found: os.stat_result) -> bool:
    """Whether others than the owner can write, apart from members of the owner's private group."""
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private(found.st_gid, found.st_uid)


def _is_private(group_id: int, user_id: int) -> bool:
    """Whether a group has the name of a user and no other member, as many distributions create it."""
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(user_id)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _unmapped_ids() -> frozenset[int]:
    """The id that stands for root of the host within a user namespace that does not map it."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    first = lines[0].split() if lines else []
    is_initial = first == ["0", "0", "4294967295"]
    return frozenset() if is_initial else frozenset({_OVERFLOW_ID})


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"
