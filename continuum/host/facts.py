"""Facts about the machine that this process runs on."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """Facts about this machine.

    Attributes:
        cpus: the CPUs that this process may run on.
        memory_mb: total memory in MiB, or the control group's limit if that is lower.
        user_id: effective user id.
        kernel: kernel release.
        machine: hardware architecture, as in ``x86_64``.
    """

    cpus: tuple[int, ...]
    memory_mb: int
    user_id: int
    kernel: str
    machine: str

    @property
    def is_root(self) -> bool:
        """Whether this process runs as root."""
        return self.user_id == 0

    def find_command(self, name: str) -> Path | None:
        """Path of a program in PATH or in the ``sbin`` folders; None if it is missing."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
        found = shutil.which(name, path=path)
        return Path(found) if found else None


def read() -> Host:
    """Read the facts about this machine."""
    return Host(
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        memory_mb=min(_total_memory_mb(), _memory_limit_mb()),
        user_id=os.geteuid(),
        kernel=platform.release(),
        machine=platform.machine(),
    )


def _total_memory_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


def _memory_limit_mb() -> int:
    """The lowest memory limit of this process's control groups; very large if there is none."""
    limits = [1 << 40]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (Path("/sys/fs/cgroup") / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text) // 2**20)
    return min(limits)
