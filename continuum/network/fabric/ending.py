"""Ends the fabric of a run, in any state."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from continuum.errors import ProvisionError
from continuum.host import pidfd
from continuum.network.fabric.client import SOCKET_NAME, Client
from continuum.sdk import protocol

POLITE_S = 20.0
"""Suffices for a thousand TUN devices: the kernel takes 36 ms for each, 64 in parallel."""

POLL_S = 0.005


def end(run_directory: Path, run_id: str) -> None:
    """Close the fabric's devices and end its process; does nothing if there is none.

    Raises:
        ProvisionError: the process still exists after it was killed.
    """
    try:
        Client(run_directory, timeout_s=POLITE_S).close()
    except ProvisionError:
        _end_by_signal(run_id)
    with contextlib.suppress(OSError):
        (run_directory / SOCKET_NAME).unlink(missing_ok=True)


def _end_by_signal(run_id: str) -> None:
    for number, timeout_s in ((signal.SIGTERM, POLITE_S), (signal.SIGKILL, POLITE_S)):
        left = list(processes(run_id))
        for pid in left:
            pidfd.send(pid, number, lambda one: _is_fabric(one, run_id))
        deadline = time.monotonic() + timeout_s
        while left and time.monotonic() < deadline:
            time.sleep(POLL_S)
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            left = list(processes(run_id))
        if not left:
            return
    msg = f"run {run_id}: its fabric (process {', '.join(map(str, left))}) did not end"
    raise ProvisionError(msg)


def processes(run_id: str) -> Iterator[int]:
    """Fabric processes of a run."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_fabric(int(entry.name), run_id):
            yield int(entry.name)


def _is_fabric(pid: int, run_id: str) -> bool:
    """Whether a process is the fabric of a run: by its command line and the mark in its environment."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # python -I -S <folder> <run id> <seed>; the end of the folder suffices if the checkout has moved.
    is_ours = argv[4:5] == [run_id.encode()] and argv[3].endswith(b"/network/fabric")
    return is_ours and pidfd.has_in_environment(pid, f"{protocol.ENV_RUN}={run_id}")
