"""System calls that are missing in Python's standard library (``os.unshare`` is new in Python 3.12)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
from typing import NoReturn

from continuum.host.clone import CLONE_NEWNS, CLONE_NEWUSER

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

_ALL_IDS = "4294967295"
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_SYS_MOUNT_SETATTR = 442  # the same on every architecture
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1
_SYS_PIVOT_ROOT = {"x86_64": 155, "s390x": 217, "ppc64le": 203}.get(platform.machine(), 41)

_libc = ctypes.PyDLL(None, use_errno=True)


def _fail(what: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    if _libc.unshare(flags):
        _fail("unshare")


def become_root_of_user_namespace() -> None:
    """Enter a new user namespace in which this user is root.

    For root, the namespace has all user ids, so that files keep their owners.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0 and has_all_ids():
        _keep_all_ids()
        return
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    stay_readable()
    _write_maps("self", (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")))


def has_all_ids() -> bool:
    """Whether this process is in a user namespace with all user ids, as that of the host."""
    with open("/proc/self/uid_map", encoding="ascii") as file:  # noqa: PTH123
        return file.read().split() == ["0", "0", _ALL_IDS]


def _keep_all_ids() -> None:
    """Enter a user namespace; only a process that stays outside may give it more than one id."""
    process = process_id()
    reader, writer = os.pipe()
    helper = os.fork()
    if helper == 0:
        status = 1
        try:
            os.close(writer)
            os.read(reader, 1)
            _write_maps(str(process), (("uid_map", f"0 0 {_ALL_IDS}"), ("gid_map", f"0 0 {_ALL_IDS}")))
            status = 0
        finally:
            os._exit(status)
    os.close(reader)
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNS)
        stay_readable()
    finally:
        os.close(writer)
        _, ended = os.waitpid(helper, 0)
    if ended:
        raise OSError(errno.EPERM, "the user ids of a user namespace cannot be set")


def _write_maps(process: str, files: tuple[tuple[str, str], ...]) -> None:
    for name, text in files:
        with open(f"/proc/{process}/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system at ``target``."""
    # As bytes, since paths need not be valid UTF-8.
    if _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
    ):
        _fail(f"mount {kind or 'bind'} {source} on {target} {options}".rstrip())


def bind(source: str, target: str, *, recursive: bool = False, read_only: bool = False) -> None:
    """Bind-mount ``source`` at ``target``; with ``recursive``, including all mounts below it."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if read_only and recursive:
        _protect(target)
    elif read_only:
        mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _locked_flags(target))


def _locked_flags(path: str) -> int:
    """Flags of a mount that a user namespace must keep when it remounts it."""
    return os.statvfs(path).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _protect(path: str) -> None:
    """Make a mount and all mounts below it read-only (mount_setattr(2), Linux 5.12)."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    if _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE, attributes, ctypes.c_size_t(32)
    ):
        _fail(f"mount_setattr {path}")


def make_private(path: str = "/") -> None:
    """Stop the propagation of mounts below ``path`` from and to other namespaces."""
    mount("none", path, flags=MS_REC | MS_PRIVATE)


def unmount(path: str) -> None:
    """Detach what is mounted at ``path``."""
    if _libc.umount2(os.fsencode(path), MNT_DETACH):
        _fail(f"umount {path}")


def enter_root(path: str) -> None:
    """Make the mount at ``path`` the root folder and unmount the old root."""
    os.chdir(path)
    if _libc.syscall(_SYS_PIVOT_ROOT, b".", b"."):
        _fail(f"pivot_root {path}")
    unmount(".")
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Set the hostname of this UTS namespace."""
    raw = name.encode()
    if _libc.sethostname(raw, ctypes.c_size_t(len(raw))):
        _fail(f"sethostname {name}")


def _prctl(option: int, value: object, what: str) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        _fail(what)


def process_id() -> int:
    """Id of this process as the mounted /proc has it, whatever PID namespace the process is in."""
    return int(os.readlink("/proc/self"))  # noqa: PTH115 - pathlib takes long to load


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends; ends it now if the parent has ended already.

    Args:
        parent: what ``process_id`` returned in the parent.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, "PR_SET_PDEATHSIG")
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        parent_now = int(file.read().rpartition(b")")[2].split()[1])
    if parent_now != parent:
        os._exit(1)  # it ended before the request to the kernel, which then sends no signal


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def stay_readable() -> None:
    """Keep this process's entry in /proc readable for its owner; a new user namespace forbids it."""
    _prctl(_PR_SET_DUMPABLE, 1, "PR_SET_DUMPABLE")


def set_name(name: str) -> None:
    """Set the name of this process that ``ps`` shows, at most 15 bytes."""
    _prctl(_PR_SET_NAME, name.encode()[:15], "PR_SET_NAME")
