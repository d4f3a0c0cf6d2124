"""The end of a fabric whatever its state: asked, told, or killed."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from continuum.errors import ProvisionError
from continuum.network.fabric.client import SOCKET_NAME, Client

PATIENCE_S = 20.0
"""Longest wait for a fabric to close its devices, before it is killed."""


def end(run_directory: Path, run_id: str) -> None:
    """End every fabric process of a run and remove its socket; harmless when there is none."""
    with suppress(ProvisionError), Client(run_directory, timeout_s=PATIENCE_S) as client:
        client.close()
    for pid in processes(run_id):
        _end_process(pid, run_id)
    with suppress(OSError):
        (run_directory / SOCKET_NAME).unlink()


def processes(run_id: str) -> Iterator[int]:
    """Process ids of the fabrics of a run, by their command lines."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 (a thousand Path objects for nothing)
        if entry.isdigit() and _is_fabric(int(entry), run_id):
            yield int(entry)


def _is_fabric(pid: int, run_id: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 (as above)
            words = file.read().split(b"\0")
    except OSError:
        return False
    program = str(Path(__file__).parent).encode()
    return words[3:5] == [program, run_id.encode()]


def _end_process(pid: int, run_id: str) -> None:
    """SIGTERM, then SIGKILL; through a descriptor, so that no other process is ever hit."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        for number, patience_s in ((signal.SIGTERM, PATIENCE_S), (signal.SIGKILL, PATIENCE_S)):
            if not _is_fabric(pid, run_id):
                return
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], patience_s)[0]:
                break
    finally:
        os.close(handle)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
