"""The mount and PID namespaces that this process runs in, which say whose paths and process ids it sees."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_KINDS = ("mnt", "pid")


def origin() -> str:
    """Names the namespaces of this process and the kernel's boot, as in ``mnt:[40] pid:[36] 6f9619ff...``."""
    return " ".join([*(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in _KINDS), boot_id()])


def boot_id() -> str:
    """Id of the current boot of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_other(named: str) -> bool:
    """Whether a name that ``origin`` returned since the last boot is not of this process's namespaces."""
    return bool(named) and named != origin() and named.rpartition(" ")[2] == boot_id()


def is_elsewhere(named: str, ignored: Collection[int]) -> bool:
    """Whether a name that ``origin`` returned is of other namespaces, in which a process still runs.

    Args:
        named: the name; empty if unknown.
        ignored: ids of processes that do not count.
    """
    if not is_other(named):
        return False
    mount = named.partition(" ")[0]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in ignored:
            try:
                if str((entry / "ns" / "mnt").readlink()) == mount:
                    return True
            except OSError:
                continue  # has ended, or belongs to another user
    return False
