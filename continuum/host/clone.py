"""The system calls clone(2) and setns(2), which Python does not have, or only since 3.12."""

from __future__ import annotations

import ctypes
import os
import platform
import signal

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
NODE_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

_SYS_CLONE = {"x86_64": 56, "s390x": 120, "ppc64le": 120}.get(platform.machine(), 220)

# PyDLL holds the interpreter's lock during a call, so that the child holds it after ``clone``, as after
# ``os.fork``.
_libc = ctypes.PyDLL(None, use_errno=True)


def clone(flags: int) -> int:
    """Fork with these flags: 0 in the child, the child's pid in the parent.

    Only for a process with one thread; hooks of ``os.register_at_fork`` do not run.
    """
    if platform.machine() == "s390x":
        pid: int = _libc.syscall(_SYS_CLONE, 0, flags | signal.SIGCHLD, 0, 0, 0)
    else:
        pid = _libc.syscall(_SYS_CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if pid < 0:
        _fail("clone")
    return pid


def set_namespaces(process: int, kinds: int) -> None:
    """Move this process into namespaces of another one, by its descriptor (Linux 5.8)."""
    if _libc.setns(process, kinds):
        _fail("setns")


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
