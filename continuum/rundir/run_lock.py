"""The lock of a run: one process at a time changes it. The file names the process that holds it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from continuum.errors import HostError, UsageError
from continuum.host import namespaces, pidfd
from continuum.host.files import explain, open_own

NAME = "lock"
_MOST_BYTES = 1024


def acquire(directory: Path, run_id: str) -> int:
    """Lock a run; returns the descriptor that holds the lock until it is closed.

    Raises:
        UsageError: another process holds it; the message has what the file says about that process.
        HostError: the file cannot be opened.
    """
    descriptor = _open(directory / NAME)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _describe(os.pread(descriptor, _MOST_BYTES, 0))
        os.close(descriptor)
        msg = f"run {run_id} is in use by {holder}; interrupt that one first"
        raise UsageError(msg) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(_holder()).encode() + b"\n", 0)
    return descriptor


def _open(path: Path) -> int:
    """Open the lock file; something else in its place, such as a link or a folder, is renamed first."""
    try:
        try:
            return open_own(path, os.O_RDWR)
        except OSError:
            path.rename(path.with_name(f"{NAME}.damaged"))
            return open_own(path, os.O_RDWR)
    except OSError as error:
        raise HostError(f"cannot lock the run: {explain(error)}") from error


def is_held(directory: Path) -> bool:
    """Whether a process holds the lock of the run in this folder."""
    try:
        descriptor = os.open(directory / NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder() -> dict[str, object]:
    """This process: its id, its start in clock ticks since boot, and the boot; together they are unique."""
    return {
        "pid": os.getpid(),
        "start": pidfd.start_time(os.getpid()),
        "boot": namespaces.boot_id(),
    }


def _describe(content: bytes) -> str:
    try:
        return f"process {int(json.loads(content)['pid'])}"
    except (ValueError, TypeError, KeyError, RecursionError):
        return "another process"
