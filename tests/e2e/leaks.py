"""What exists on this host, listed before and after a test: no difference means no leak."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

SETTLE_S = 15.0
"""The kernel removes namespaces and their interfaces some time after their last process."""

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@dataclass(frozen=True)
class Snapshot:
    """Everything a run could leave behind.

    Attributes:
        processes: ``pid:start command`` of every process that is no kernel thread, zombies included.
        namespaces: every namespace a process is in.
        mounts: lines of this process's mount table.
        cgroups: every control group.
        interfaces: network interfaces of this process's network namespace.
        sockets: names of unix sockets that belong to files or are abstract.
    """

    processes: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    interfaces: frozenset[str]

    def added(self, before: Snapshot) -> dict[str, list[str]]:
        """What is there now and was not ``before``, by kind."""
        differences = {
            item.name: sorted(getattr(self, item.name) - getattr(before, item.name)) for item in fields(self)
        }
        return {kind: new for kind, new in differences.items() if new}


def snapshot() -> Snapshot:
    """List everything."""
    return Snapshot(
        processes=frozenset(_processes()),
        namespaces=frozenset(_namespaces()),
        mounts=frozenset(Path("/proc/self/mountinfo").read_text().splitlines()),
        cgroups=frozenset(_cgroups()),
        interfaces=frozenset(os.listdir("/sys/class/net")),
    )


@contextmanager
def no_leaks() -> Iterator[None]:
    """Fail if anything exists at the end that did not at the beginning."""
    before = snapshot()
    yield
    deadline = time.monotonic() + SETTLE_S
    while added := snapshot().added(before):
        assert time.monotonic() < deadline, f"left behind: {added}"
        time.sleep(0.1)


def _processes() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                stat = rest.split()
                if stat[1] != "2" and entry.name != "2":  # children of process 2 are the kernel's own
                    yield f"{entry.name}:{stat[19]} {name} {(entry / 'cmdline').read_text()[:80]}"


def _namespaces() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            for kind in KINDS:
                with suppress(OSError):
                    yield os.readlink(entry / "ns" / kind)


def _cgroups() -> Iterator[str]:
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        for folder in folders:
            yield f"{root}/{folder}"
