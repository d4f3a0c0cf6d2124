"""Signals to the process that is meant: the kernel reuses process ids, but not process descriptors."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable


def send(pid: int, number: int, is_meant: Callable[[int], bool]) -> bool:
    """Send a signal to a process if it is the one that is meant; returns whether it was sent.

    Args:
        pid: its id.
        number: the signal.
        is_meant: whether the process with this id is meant; called while the id cannot be reused unnoticed.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        return error.errno != errno.ESRCH and _send_by_id(pid, number, is_meant)
    try:
        if not is_meant(pid):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False  # has ended, or belongs to another user
    finally:
        os.close(descriptor)
    return True


def _send_by_id(pid: int, number: int, is_meant: Callable[[int], bool]) -> bool:
    """Without process descriptors, which Linux before 5.3 and some sandboxes do not have."""
    try:
        if not is_meant(pid):
            return False
        os.kill(pid, number)
    except OSError:
        return False
    return True


def has_in_environment(pid: int, entry: str) -> bool:
    """Whether a process was started with an entry ``NAME=value`` in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - called for thousands of processes
            return entry.encode() in file.read().split(b"\0")
    except OSError:
        return False


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot, which identifies it with its id; 0 if unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
