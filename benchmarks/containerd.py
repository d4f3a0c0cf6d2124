"""A temporary containerd for benchmarks and tests, without a network, with all files in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
COMMAND_TIMEOUT_S = 300
_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/socket"
[ttrpc]
address = "{folder}/ttrpc"
"""


def why_not() -> str:
    """Why this machine cannot run containerd; empty if it can."""
    if os.geteuid() != 0:
        return "starting containerd requires root"
    missing = [name for name in ("containerd", "ctr", "runc") if not shutil.which(name)]
    return f"{', '.join(missing)} not installed; run: sudo apt-get install containerd" if missing else ""


class Containerd:
    """A running daemon.

    Args:
        folder: folder of its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ctr(self, *arguments: str) -> str:
        """The output of the command ``ctr``; RuntimeError with its standard error if it fails."""
        command = ["ctr", "--address", str(self.folder / "socket"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def running(folder: Path) -> Iterator[Containerd]:
    """Run a daemon while the context is open; the folder must support overlays, and its files stay."""
    settings, log = folder / "config.toml", folder / "log"
    settings.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
    with log.open("wb") as file:
        command = ["containerd", "--config", str(settings)]
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (folder / "socket").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("\n".join(log.read_text(errors="replace").splitlines()[-5:]))
            time.sleep(0.05)
        yield Containerd(folder)
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
