"""Creates, reads and deletes control groups."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from continuum.errors import ProvisionError
from continuum.host.cgroup.group_plan import Group, Setting
from continuum.model.node import Usage

_POLL_S = 0.005
_FREEZER = "freezer.state"


def make(groups: Iterable[Group]) -> None:
    """Create groups and write their settings.

    Raises:
        OSError: the kernel refuses a group or a setting.
    """
    for group in groups:
        with contextlib.suppress(FileExistsError):
            os.mkdir(group.path)  # noqa: PTH102 - many of them
        for name in group.copied:
            source = Path(group.path).parent / name
            _write(str(group.path / name), source.read_text(encoding="ascii").strip())
        apply(group.settings)


def apply(settings: Iterable[Setting]) -> None:
    """Write settings; OSError names the file and the refused value."""
    for setting in settings:
        try:
            _write(str(setting.path), setting.value)
        except OSError as error:
            if not setting.optional:
                message = f"{setting.value!r} is refused: {error.strerror}"
                raise OSError(error.errno, message, str(setting.path)) from None


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("ascii"))
    finally:
        os.close(descriptor)


def remove_trees(roots: Sequence[Path], *, timeout_s: float = 10.0) -> None:
    """Delete groups and all groups below them; kills the processes inside.

    Raises:
        ProvisionError: a group is still in use after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    for root in roots:
        _remove_tree(root, deadline)


def _remove_tree(folder: Path, deadline: float) -> None:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        below = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        for one in below:
            _remove_tree(one, deadline)
    while True:
        try:
            os.rmdir(folder)  # noqa: PTH106 - many of them
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise ProvisionError(f"cannot delete control group {folder}: {error.strerror}") from error
            _kill_members(folder)
            time.sleep(_POLL_S)
        else:
            return


def release(roots: Iterable[Path]) -> None:
    """Let processes run, and end, that the ``freezer`` has stopped in groups and all groups below."""
    for root in roots:
        if (root / _FREEZER).exists():
            for folder, _, _ in os.walk(root):
                with contextlib.suppress(OSError):
                    _write(f"{folder}/{_FREEZER}", "THAWED")


def _kill_members(folder: Path) -> None:
    release([folder])
    with contextlib.suppress(OSError):
        for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
            if int(pid) > 0:  # 0 is a process outside this pid namespace
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(pid), signal.SIGKILL)


def has_quota(group: Path, version: int) -> bool:
    """Whether a group of the CPU controller has a quota."""
    name, nothing = ("cpu.max", "max") if version == 2 else ("cpu.cfs_quota_us", "-1")
    try:
        return not (group / name).read_text(encoding="ascii").startswith(nothing)
    except OSError:
        return False


def usage(groups: Iterable[Path], version: int) -> Usage:
    """Resource usage of the processes in a node's groups."""
    if version == 2:
        return _usage_v2(next(iter(groups)))
    cpu_seconds, peak_mb, kills = None, None, 0
    for group in groups:
        if (ns := _number(group / "cpuacct.usage")) is not None:
            cpu_seconds = ns / 1e9
        if (peak := _number(group / "memory.max_usage_in_bytes")) is not None:
            peak_mb = peak / 2**20
            kills = sum(_entry(one / "memory.oom_control", "oom_kill") or 0 for one in _with_below(group))
    return Usage(cpu_seconds, peak_mb, kills)


def _usage_v2(group: Path) -> Usage:
    cpu_us = _entry(group / "cpu.stat", "usage_usec")
    peak = _number(group / "memory.peak")
    return Usage(
        None if cpu_us is None else cpu_us / 1e6,
        None if peak is None else peak / 2**20,
        _entry(group / "memory.events", "oom_kill") or 0,
    )


def _with_below(group: Path) -> list[Path]:
    """A group and all groups below it, such as those of pods: version 1 counts kills per group."""
    return [group, *(Path(folder, name) for folder, names, _ in os.walk(group) for name in names)]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _entry(path: Path, name: str) -> int | None:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        pass
    return None
