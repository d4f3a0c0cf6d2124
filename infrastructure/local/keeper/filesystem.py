"""The file system of a node: overlays of the host's files, and its own ``/proc``, ``/dev`` and ``/tmp``.

Paths in the run's folder are passed to mount(2) relative to it, and paths of the host by descriptor
(``/proc/self/fd/7``), because kernels differ in how commas and colons are quoted in the options of an
overlay.
"""

# Importing pathlib would take a third of the keeper's start.
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH116, PTH120, PTH123, PTH211

from __future__ import annotations

import os
import stat
from contextlib import suppress

from . import masks, syscalls
from .keeper_plan import KeeperPlan

NODES = "nodes"
"""Folder, in the run's folder, of the nodes' overlays; deleted together with the nodes."""

_ROOT = "nodes/.root"
_SHARED = "nodes/.shared"
# In memory, since the kernel refuses a lower layer inside another one ("/").
_COMMON = f"{_SHARED}/common"
_DEVICES = f"{_SHARED}/devices"
_EMPTY = f"{_SHARED}/empty"
_DEVICE_NUMBERS = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_TUN_NUMBER = (10, 200)
_OWN_FOLDERS = ("/opt", "/srv", "/usr/local/bin", "/var/cache", "/var/lib", "/var/log")
"""Folders that belong to nobody in a user namespace, so that nodes get writable ones over them."""

_FRESH = ("/proc", "/sys", "/dev", "/tmp", "/run")  # noqa: S108 - mount points, no files


def prepare(plan: KeeperPlan) -> bool:
    """Create what all nodes share, in the keeper's mount namespace and in the run's folder.

    Returns:
        Whether the file system of the run's folder supports overlays.
    """
    syscalls.make_private()
    os.chdir(plan.directory)
    for folder in (_ROOT, _SHARED):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    syscalls.mount("tmpfs", _SHARED, "tmpfs", syscalls.MS_NOSUID, "mode=0755,size=16m")
    for folder in (_DEVICES, *(_COMMON + path for path in ("/etc", *(_OWN_FOLDERS if plan.as_user else ())))):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    os.mkdir(_EMPTY, 0o555)
    syscalls.bind(_EMPTY, _EMPTY, read_only=True)
    _write_hosts(plan)
    _fill_devices()
    return _supports_overlays(as_user=plan.as_user)


def _supports_overlays(*, as_user: bool) -> bool:
    """Try an overlay: other overlays and network file systems cannot be its upper layer."""
    private = f"{NODES}/.trial"
    os.mkdir(private, 0o700)
    try:
        _overlay(private, 0, _DEVICES, _ROOT, as_user=as_user)
    except OSError:
        return False
    syscalls.unmount(_ROOT)
    return True


def _write_hosts(plan: KeeperPlan) -> None:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{node.address} {node.name}" for node in plan.nodes]
    with open(f"{_COMMON}/etc/hosts", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def _fill_devices() -> None:
    """Create the devices that programs expect; disks of the host are not among them."""
    for name, number in _DEVICE_NUMBERS.items():
        _make_device(name, number)
    os.mkdir(f"{_DEVICES}/net", 0o755)
    if os.path.exists("/dev/net/tun"):
        _make_device("net/tun", _TUN_NUMBER)
    for name in ("pts", "shm"):
        os.mkdir(f"{_DEVICES}/{name}", 0o755)
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        os.symlink(target, f"{_DEVICES}/{name}")


def _make_device(name: str, number: tuple[int, int]) -> None:
    path = f"{_DEVICES}/{name}"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*number))
        os.chmod(path, 0o666)  # noqa: S103 - mknod applies the umask
    except PermissionError:
        # A user namespace may not create devices, but may mount existing ones.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        syscalls.bind(f"/dev/{name}", path)


def enter(plan: KeeperPlan, name: str, hidden: masks.Masks, *, on_disk: bool) -> None:
    """Create the root file system of a node and change into it; called in the node's namespaces."""
    private = f"{NODES}/{name}"
    os.mkdir(private, 0o755)
    if not on_disk:
        syscalls.mount("tmpfs", private, "tmpfs", 0, "mode=0755")
    if plan.as_user:
        _assemble_root(plan, private)
    else:
        _overlay(private, 0, "/", _ROOT)
        for index, point in enumerate(plan.overlaid[1:], start=1):
            _overlay_or_show(private, index, point, _ROOT + point)
        for point in plan.attached:
            with suppress(OSError):
                syscalls.bind(point, _ROOT + point, read_only=True)
    _mount_fresh()
    masks.apply(hidden, _ROOT, f"{_DEVICES}/null", _EMPTY)
    for path in plan.shown:
        _show(path)
    syscalls.enter_root(_ROOT)
    _guard_settings()


def _overlay(private: str, index: int, lower: str, target: str, *, as_user: bool = False) -> None:
    upper, work = f"{private}/upper{index}", f"{private}/work{index}"
    shared = _COMMON + "/" + lower.strip("/")
    layered = os.path.isdir(shared)
    have = os.stat(shared if layered and as_user else lower)
    for folder in (upper, work):
        os.mkdir(folder, 0o700)
    os.chmod(upper, stat.S_IMODE(have.st_mode))  # the overlay has the mode and owner of the upper layer
    if not as_user and (have.st_uid, have.st_gid) != (0, 0):
        os.chown(upper, have.st_uid, have.st_gid)
    fd = os.open(lower, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        layers = f"{shared}:/proc/self/fd/{fd}" if layered else f"/proc/self/fd/{fd}"
        options = f"lowerdir={layers},upperdir={upper},workdir={work}"
        # Without privileges, overlays use extended attributes of users.
        options += ",userxattr" if as_user else ""
        syscalls.mount("overlay", target, "overlay", syscalls.MS_NODEV, options)
    finally:
        os.close(fd)


def _overlay_or_show(private: str, index: int, lower: str, target: str, *, as_user: bool = False) -> None:
    """Overlay a folder of the host; if its file system cannot be overlaid, mount it read-only."""
    if not os.path.exists(lower):
        return  # hidden by a mount over a parent folder
    if os.path.isdir(lower):
        try:
            _overlay(private, index, lower, target, as_user=as_user)
        except OSError:
            pass
        else:
            return
    syscalls.bind(lower, target, recursive=as_user, read_only=True)


def _assemble_root(plan: KeeperPlan, private: str) -> None:
    """Assemble the root folder from the folders of the host.

    A user namespace may not overlay ``/`` itself, since that would reveal files hidden by mounts.
    """
    syscalls.mount("tmpfs", _ROOT, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=0755")
    for path in (*_FRESH, "/root", *plan.overlaid, *plan.attached):
        os.makedirs(_ROOT + os.path.realpath(path), mode=0o755, exist_ok=True)
    for path, source in plan.links:
        os.symlink(source, _ROOT + path)
    for index, path in enumerate(plan.overlaid):
        _overlay_or_show(private, index, path, _ROOT + path, as_user=True)
    for path in plan.attached:
        syscalls.bind(path, _ROOT + path, recursive=True, read_only=True)
    if "/etc" in plan.attached:  # it contains mounts, as in a container
        syscalls.bind(f"{_COMMON}/etc/hosts", f"{_ROOT}/etc/hosts", read_only=True)


def _mount_fresh() -> None:
    quiet = syscalls.MS_NOSUID | syscalls.MS_NODEV
    strict = quiet | syscalls.MS_NOEXEC
    target = {path: _ROOT + os.path.realpath(path) for path in _FRESH}
    syscalls.mount("proc", target["/proc"], "proc", strict)
    try:
        syscalls.mount("sysfs", target["/sys"], "sysfs", strict | syscalls.MS_RDONLY)
    except OSError:
        syscalls.bind("/sys", target["/sys"], recursive=True, read_only=True)
    syscalls.bind(_DEVICES, target["/dev"], recursive=True, read_only=True)
    syscalls.mount("devpts", f"{target['/dev']}/pts", "devpts", strict & ~syscalls.MS_NODEV, _PTS)
    syscalls.mount("tmpfs", f"{target['/dev']}/shm", "tmpfs", quiet, "mode=1777")
    syscalls.mount("tmpfs", target["/tmp"], "tmpfs", quiet, "mode=1777")  # noqa: S108
    syscalls.mount("tmpfs", target["/run"], "tmpfs", quiet, "mode=0755")


_PTS = "newinstance,ptmxmode=0666,mode=0620"


def _show(path: str) -> None:
    """Mount a path of the host read-only at the same path; a missing mount point is created."""
    target = _ROOT + path
    if os.path.isdir(path):
        os.makedirs(target, mode=0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    syscalls.bind(path, target, read_only=True)


def _guard_settings() -> None:
    """Make kernel settings read-only, except those of the node's own network."""
    syscalls.bind("/proc/sys", "/proc/sys", read_only=True)
    syscalls.bind("/proc/sys/net", "/proc/sys/net")
    syscalls.mount("none", "/proc/sys/net", flags=syscalls.MS_BIND | syscalls.MS_REMOUNT | _NET_FLAGS)


_NET_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
