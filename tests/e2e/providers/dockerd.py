"""A Docker daemon for the tests of this folder, and what can be asked of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import dockerd
from infrastructure.docker import images
from infrastructure.docker.engine_api import client

SETTLE_S = 15.0


def containers(url: str) -> list[dict[str, Any]]:
    """Every container the daemon knows, whatever its state."""
    found: list[dict[str, Any]] = client(url).containers(all=True)
    return found


def names(url: str) -> list[str]:
    """Names of all containers, without the slash."""
    return sorted(one["Names"][0].lstrip("/") for one in containers(url))


def touch(url: str) -> None:
    """Have the daemon make and remove a container, so that what it makes once and keeps is there."""
    api = client(url)
    made = api.create_container_from_config(
        {"Image": images.BUILT, "Cmd": ["/bin/true"], "HostConfig": {"NetworkMode": "none"}}
    )["Id"]
    api.start(made)
    api.wait(made)
    api.remove_container(made, force=True)


@contextmanager
def no_leaks(url: str) -> Iterator[None]:
    """Fail if the daemon, or a run of this test, has anything at the end that was not there before.

    Other tests may make and remove whatever they like on this machine meanwhile.
    """
    before = traces(url)
    yield
    deadline = time.monotonic() + SETTLE_S
    while added := traces(url) - before:
        assert time.monotonic() < deadline, f"left behind: {sorted(added)}"
        time.sleep(0.05)


def traces(url: str) -> frozenset[str]:
    """All that the daemon has, with its mounts and control groups, and processes of this test's runs."""
    folder = url.removeprefix("unix://").rpartition("/")[0]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if folder in line]
    parent = dockerd.cgroup_parent(Path(folder))
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{parent}/*") if path.is_dir()]
    return frozenset([*names(url), *mounts, *groups, *_processes()])


def _processes() -> Iterator[str]:
    """Processes of this test's runs."""
    state = Path(os.environ["XDG_STATE_HOME"])
    runs = [entry.name for entry in (state / "continuum" / "runs").glob("*")]
    labels = {f"XDG_STATE_HOME={state}".encode(), *(f"CONTINUUM_RUN={run}".encode() for run in runs)}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and labels & {*(entry / "environ").read_bytes().split(b"\0")}:
                yield f"{entry.name} {(entry / 'comm').read_text().strip()}"
