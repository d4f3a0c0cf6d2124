"""Files and processes in a node's namespaces, accessed through ``/proc/<process 1>/root``.

Paths are resolved as in the node: symbolic links, including absolute ones, do not lead out of its root folder
(openat2(2) with RESOLVE_IN_ROOT, Linux 5.6).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import signal
import stat
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_IN_ROOT = 0x10
_COPY_BYTES = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def open_in(root: int, path: PurePosixPath | str, flags: int, mode: int = 0) -> int:
    """Open a path below the folder with the descriptor ``root``, as if that folder were ``/``.

    Raises:
        OSError: as ``os.open``.
    """
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT)
    name = os.fsencode(str(path).lstrip("/") or ".")
    while True:
        fd: int = _libc.syscall(_SYS_OPENAT2, root, name, how, ctypes.c_size_t(len(how)))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in {errno.EAGAIN, errno.EINTR}:  # EAGAIN: a folder of the path was renamed
            raise OSError(number, os.strerror(number), str(path))


@contextlib.contextmanager
def _opened(root: int, path: PurePosixPath | str, flags: int, mode: int = 0) -> Iterator[int]:
    descriptor = open_in(root, path, flags, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def put(root: int, src: Path, dst: PurePosixPath) -> None:
    """Copy the host's file ``src`` to ``dst`` atomically."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(src.open("rb"))
        folder = stack.enter_context(_folder(root, dst.parent))
        mode = stat.S_IMODE(os.fstat(source.fileno()).st_mode) & 0o777
        temporary = f".{dst.name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(target, "wb", buffering=0) as file:
                _copy(source.fileno(), file.fileno())
                os.fchmod(file.fileno(), mode)
            os.rename(temporary, dst.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise


def _copy(source: int, target: int) -> None:
    while os.sendfile(target, source, None, _COPY_BYTES):
        pass


@contextlib.contextmanager
def _folder(root: int, path: PurePosixPath) -> Iterator[int]:
    """A folder of the node; it and its parents are created if they are missing."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        descriptor = open_in(root, path, flags)
    except FileNotFoundError:
        with _folder(root, path.parent) as above, contextlib.suppress(FileExistsError):
            os.mkdir(path.name, 0o755, dir_fd=above)
        descriptor = open_in(root, path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def get(root: int, src: PurePosixPath, dst: Path) -> None:
    """Copy a file or a folder of the node to the host; symbolic links in a folder are copied as links."""
    with _opened(root, src, os.O_RDONLY | os.O_NONBLOCK) as source:
        kind = os.fstat(source).st_mode
        if stat.S_ISDIR(kind):
            _get_folder(source, dst)
        elif stat.S_ISREG(kind):
            dst.parent.mkdir(parents=True, exist_ok=True)
            _get_file(source, dst)
        else:
            raise OSError(errno.EINVAL, "neither a file nor a folder", str(src))


def _get_file(source: int, dst: Path) -> None:
    mode = stat.S_IMODE(os.fstat(source).st_mode) & 0o777 | 0o600
    target = os.open(dst, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(target, "wb", buffering=0) as file:
        _copy(source, file.fileno())


def _get_folder(source: int, dst: Path) -> None:
    dst.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(source):
        kind = os.lstat(name, dir_fd=source).st_mode
        target = dst / name
        if stat.S_ISLNK(kind):
            target.unlink(missing_ok=True)
            target.symlink_to(os.readlink(name, dir_fd=source))
        elif stat.S_ISDIR(kind) or stat.S_ISREG(kind):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=source)
            try:
                (_get_folder if stat.S_ISDIR(kind) else _get_file)(descriptor, target)
            finally:
                os.close(descriptor)
        elif target.exists():
            shutil.rmtree(target, ignore_errors=True)


def signal_marked(init_pid: int, mark: str, number: signal.Signals, *, first_only: bool) -> int:
    """Send a signal to the processes of a node that have ``mark`` in their or an ancestor's environment.

    The folder of a process in the node's /proc is used as its pidfd, so that the signal reaches exactly the
    process that was examined, in any pid namespace.

    Args:
        init_pid: process 1 of the node.
        mark: an entry of the environment, as in ``NAME=value``.
        number: the signal.
        first_only: only to processes that entered the node from outside, not to their children.

    Returns:
        The number of processes.
    """
    proc = f"/proc/{init_pid}/root/proc"
    needle = mark.encode()
    with contextlib.ExitStack() as stack:
        found: dict[int, _Entry] = {}
        for name in _numbers(proc):
            with contextlib.suppress(OSError):
                entry = _Entry(f"{proc}/{name}", needle)
                stack.callback(os.close, entry.descriptor)
                found[int(name)] = entry
        chosen = [
            entry for entry in found.values() if (entry.is_first if first_only else _is_within(entry, found))
        ]
        for entry in chosen:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(entry.descriptor, number)
    return len(chosen)


def _numbers(proc: str) -> list[str]:
    try:
        return [name for name in os.listdir(proc) if name.isdigit() and name != "1"]  # noqa: PTH208
    except OSError:
        return []


class _Entry:
    """A process of the node, identified by a descriptor of its folder in /proc."""

    def __init__(self, folder: str, needle: bytes) -> None:
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fields = self._read("stat").rpartition(b")")[2].split()
            if fields[0] in {b"Z", b"X"}:
                raise ProcessLookupError(folder)
            self.parent = int(fields[1])
            self.marked = needle in self._read("environ").split(b"\0")
        except BaseException:
            os.close(self.descriptor)
            raise

    @property
    def is_first(self) -> bool:
        """Whether it entered from outside: its parent is not in the node's pid namespace."""
        return self.marked and self.parent == 0

    def _read(self, name: str) -> bytes:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            return file.read()


def _is_within(entry: _Entry | None, found: dict[int, _Entry]) -> bool:
    for _ in range(len(found) + 1):
        if entry is None:
            return False
        if entry.marked:
            return True
        entry = found.get(entry.parent)
    return False
