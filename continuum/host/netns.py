"""Other network namespaces, entered by threads: the namespace of a thread is its own."""

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
    """Do something in a thread of its own, which may enter other namespaces; what it raises is raised here.

    No other thread ever leaves the host's network, and nothing runs in the places that are visited.
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
    """Take this thread into the network namespace of a process, for good.

    Raises:
        OSError: there is no such process, or this user may not.
    """
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        if _libc.setns(namespace.fileno(), _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "setns")
