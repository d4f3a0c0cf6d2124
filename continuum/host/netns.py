"""Runs code in other network namespaces, in threads: each thread has a network namespace of its own."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def visit(work: Callable[[], T]) -> T:
    """Call ``work`` in a new thread, which may enter other namespaces; returns or raises what it does.

    All other threads stay in the host's network namespace.
    """
    done: list[T] = []
    errors: list[BaseException] = []

    def kept() -> None:
        try:
            done.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=kept)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return done[0]


def enter(pid: int) -> None:
    """Move this thread into the network namespace of a process, permanently.

    Raises:
        OSError: the process does not exist, or this user has no permission.
    """
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        if _libc.setns(namespace.fileno(), _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "setns")
