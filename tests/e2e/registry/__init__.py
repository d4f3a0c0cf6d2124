"""A registry of container images on loopback: that of the distribution project, built here with Go."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from continuum.software.packages.store import cache_folder

SOURCE = Path(__file__).parent
SOURCES = ("main.go", "go.mod", "go.sum")
OLDEST_GO = (1, 23)
BUILD_TIMEOUT_S = 900
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10


@dataclass(frozen=True)
class Registry:
    """A registry that runs.

    Attributes:
        address: host and port, as names of images begin with.
        folder: where it keeps its images.
        process: the program.
    """

    address: str
    folder: Path
    process: subprocess.Popen[bytes]

    def blobs(self) -> list[Path]:
        """The files of everything that was pushed, the smallest first."""
        return sorted(self.folder.glob("docker/registry/v2/blobs/*/*/*/data"), key=lambda p: p.stat().st_size)

    def stop(self) -> None:
        """End it; what it has is kept."""
        self.process.terminate()
        self.process.wait(STOP_TIMEOUT_S)


def why_not() -> str:
    """Why no registry can be built on this machine; empty when one can."""
    go = shutil.which("go", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/go/bin"]))
    if not go:
        return "the registry is built with Go, which is missing; see https://go.dev/doc/install"
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    version = tuple(int(part) for part in said.strip().removeprefix("go").split(".")[:2])
    needed = ".".join(map(str, OLDEST_GO))
    return "" if version >= OLDEST_GO else f"the registry needs Go {needed}, and {go} is {said.strip()}"


def build() -> Path:
    """The program; built once for each state of its sources, and kept for the next time."""
    state = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in SOURCES))
    program = cache_folder() / "tests" / f"registry-{state.hexdigest()[:16]}"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        part = program.with_name(f".{program.name}.{os.getpid()}")
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/go/bin"])
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(part), "."],
            cwd=SOURCE,
            env={**os.environ, "PATH": path, "CGO_ENABLED": "0"},
            timeout=BUILD_TIMEOUT_S,
            check=True,
        )
        part.replace(program)
    return program


@contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """A registry that keeps its images below a folder, from ``with`` to its end."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(build()), str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout
    try:
        assert select.select([process.stdout], [], [], START_TIMEOUT_S)[0], "the registry says no address"
        yield Registry(process.stdout.readline().decode().strip(), folder, process)
    finally:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
        process.stdout.close()
