"""Counters of a node's control groups that are read every second while a load runs.

Files are read without ``pathlib``, which takes longer than the kernel does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_CHUNK_BYTES = 65536


def cpu_and_throttled_s(paths: Mapping[str, str]) -> tuple[float | None, float | None]:
    """CPU time that a node has used, and time in which its programs waited for its quota; None if unknown.

    Args:
        paths: its control groups by controller, of either version.
    """
    stat = _entries(f"{paths['cpu']}/cpu.stat") if "cpu" in paths else {}
    if "usage_usec" in stat:
        return stat["usage_usec"] / 1e6, _scaled(stat.get("throttled_usec"), 1e6)
    throttled_s = _scaled(stat.get("throttled_time"), 1e9)  # version 1
    try:
        used_s = _scaled(int(read(f"{paths['cpuacct']}/cpuacct.usage")), 1e9)
    except (OSError, ValueError, KeyError):
        used_s = None
    return used_s, throttled_s


def _scaled(value: int | None, per_second: float) -> float | None:
    return None if value is None else value / per_second


def _entries(path: str) -> dict[str, int]:
    """The numbers of a file of lines ``name number``; empty if it cannot be read."""
    try:
        words = read(path).split()
        return {words[at].decode(): int(words[at + 1]) for at in range(0, len(words) - 1, 2)}
    except (OSError, ValueError):
        return {}


def read(path: str) -> bytes:
    """The content of a file of /proc or /sys."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = chunk = os.read(descriptor, _CHUNK_BYTES)
        while chunk:
            chunk = os.read(descriptor, _CHUNK_BYTES)
            content += chunk
        return content
    finally:
        os.close(descriptor)
