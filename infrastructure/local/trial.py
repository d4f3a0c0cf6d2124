"""What the kernel permits this user, found out by trying it in a child process."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

from continuum.host.clone import CLONE_NEWNS, NODE_NAMESPACES
from continuum.network.fabric import tun
from infrastructure.local.keeper import syscalls

NAMESPACES = "namespaces"
MOUNT = "mounts"
OVERLAY = "overlay"
TUN = "tun"

_SCRATCH = "/dev"  # exists everywhere; only the child sees what is mounted over it
_TIMEOUT_S = 10.0


def needs_user_namespace() -> bool:
    """Whether this process is not root of the host; it may be root of a user namespace."""
    return os.geteuid() != 0 or not syscalls.has_all_ids()


def failures(*, as_user: bool) -> dict[str, OSError]:
    """The errors, by the constants above; steps that depend on a failed one are not tried.

    Args:
        as_user: whether nodes have a user namespace.
    """
    if as_user:
        steps: dict[str, Callable[[], None]] = {NAMESPACES: syscalls.become_root_of_user_namespace}
    else:
        steps = {NAMESPACES: lambda: syscalls.unshare(CLONE_NEWNS)}
    return _in_child({**steps, MOUNT: _isolate, TUN: _make_tun, OVERLAY: lambda: _make_overlay(as_user)})


def _isolate() -> None:
    syscalls.unshare(NODE_NAMESPACES & ~CLONE_NEWNS)
    syscalls.make_private()


def _make_tun() -> None:
    os.close(tun.open_tun("trial"))


def _make_overlay(as_user: bool) -> None:
    descriptor = os.open("/etc" if as_user else "/", os.O_PATH | os.O_DIRECTORY)
    syscalls.mount("tmpfs", _SCRATCH, "tmpfs")
    upper, work = Path(_SCRATCH, "upper"), Path(_SCRATCH, "work")
    upper.mkdir()
    work.mkdir()
    options = f"lowerdir=/proc/self/fd/{descriptor},upperdir={upper},workdir={work}"
    syscalls.mount("overlay", _SCRATCH, "overlay", 0, options + (",userxattr" if as_user else ""))


def _in_child(steps: dict[str, Callable[[], None]]) -> dict[str, OSError]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(_attempt(steps)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], _TIMEOUT_S)
        raw = os.read(reader, 1 << 16) if ready else b""
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = json.loads(raw) if raw else {NAMESPACES: (0, "no answer from a child process")}
    return {name: OSError(number, text) for name, (number, text) in found.items()}


def _attempt(steps: dict[str, Callable[[], None]]) -> dict[str, tuple[int, str]]:
    failed: dict[str, tuple[int, str]] = {}
    for name, step in steps.items():
        try:
            step()
        except OSError as error:
            failed[name] = (error.errno or 0, str(error.strerror))
            if name in {NAMESPACES, MOUNT}:
                break  # further steps would change the host itself
    return failed
