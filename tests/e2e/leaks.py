"""What exists on this host, listed before and after a test: no difference means no leak."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

SETTLE_S = 15.0
"""The kernel removes namespaces and their interfaces some time after their last process."""

OF_GUESTS = ("cn", "vnet", "virbr")
"""Interfaces of virtual machines, which come and go meanwhile; tests of these look for leaks of their own."""

OF_DAEMONS = ("dockerd-", "docker", "machine")
"""Control groups of containers and guests, which need no search."""

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@dataclass(frozen=True)
class Snapshot:
    """Everything a run could leave behind.

    Attributes:
        processes: ``pid:start command`` of every process of a run or of this test, and every zombie.
        namespaces: every namespace these processes are in.
        mounts: lines of this process's mount table that name a run, or a folder of this session's tests.
        cgroups: every control group of this test's runs.
        interfaces: network interfaces of this process's network namespace.
    """

    processes: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    interfaces: frozenset[str]

    def added(self, before: Snapshot, kinds: Sequence[str] = ()) -> dict[str, list[str]]:
        """What is there now and was not ``before``, by kind; of all kinds unless some are named."""
        names = kinds or [item.name for item in fields(self)]
        differences = {name: sorted(getattr(self, name) - getattr(before, name)) for name in names}
        return {kind: new for kind, new in differences.items() if new}


def snapshot() -> Snapshot:
    """List everything."""
    return Snapshot(
        processes=frozenset(_processes()),
        namespaces=frozenset(_namespaces()),
        mounts=frozenset(_mounts()),
        cgroups=frozenset(_cgroups()),
        interfaces=frozenset(one for one in os.listdir("/sys/class/net") if not one.startswith(OF_GUESTS)),
    )


@contextmanager
def no_leaks(*kinds: str) -> Iterator[None]:
    """Fail if anything exists at the end that did not at the beginning.

    Args:
        kinds: what to look at, by the attributes of ``Snapshot``; all of it by default.
    """
    before = snapshot()
    yield
    deadline = time.monotonic() + SETTLE_S
    while added := snapshot().added(before, kinds):
        assert time.monotonic() < deadline, f"left behind: {added}"
        time.sleep(0.1)


def _mounts() -> Iterator[str]:
    """Mounts of this session's tests and of their runs; others on this machine come and go as they like."""
    ours = {str(Path(os.environ["XDG_STATE_HOME"]).parent), "continuum", *_run_ids()}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if any(name in line for name in ours):
            yield line


def _processes() -> Iterator[str]:
    for entry in _ours():
        with suppress(OSError):
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            command = (entry / "cmdline").read_bytes()[:80].replace(b"\0", b" ").decode(errors="replace")
            yield f"{entry.name}:{rest.split()[19]} {name} {command}"


def _namespaces() -> Iterator[str]:
    for entry in _ours():
        for kind in KINDS:
            with suppress(OSError):
                yield os.readlink(entry / "ns" / kind)


def _ours() -> Iterator[Path]:
    """Processes that this test's runs could have left: labelled ones, and zombies of this process or of init.

    Other tests start and end processes meanwhile; theirs, zombies included, are ignored.
    """
    state_home = f"XDG_STATE_HOME={os.environ.get('XDG_STATE_HOME')}".encode()
    labels = {f"CONTINUUM_RUN={run_id}".encode() for run_id in _run_ids()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            environment = {*(entry / "environ").read_bytes().split(b"\0")}
            if _is_zombie_of_ours(entry) or state_home in environment or labels & environment:
                yield entry


def _is_zombie_of_ours(entry: Path) -> bool:
    """Whether a process has ended unreaped, and its parent is init or descends from this process."""
    state, parent = _state_and_parent(entry)
    if state != "Z" or parent == 1:
        return state == "Z"
    while parent > 1 and parent != os.getpid():
        _, parent = _state_and_parent(Path(f"/proc/{parent}"))
    return parent == os.getpid()


def _state_and_parent(entry: Path) -> tuple[str, int]:
    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    return state, int(parent)


def _run_ids() -> set[str]:
    """Every run this test has made, from its own index."""
    folder = Path(os.environ["XDG_STATE_HOME"]) / "continuum" / "runs"
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _cgroups() -> Iterator[str]:
    """The control groups of this test's runs, and all below; others come and go as they like."""
    ours = {f"continuum-{run_id}" for run_id in _run_ids()}
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        if ours.intersection(root.split("/")):
            yield root
        folders[:] = [folder for folder in folders if not folder.startswith(OF_DAEMONS)]
