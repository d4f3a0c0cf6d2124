"""What is asked of a guest from inside: its use of resources, and limits for one workload of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from continuum.connection.ssh.connection import SshConnection
from continuum.model.limits import Limits
from continuum.model.node import Usage

_TIMEOUT_S = 30.0


def limited(limits: Limits) -> Sequence[str]:
    """Words before a command that keep it to its limits: a scope of systemd, counted per 10 ms. Pure."""
    words = []
    if limits.cpu_cores is not None:
        words += ["-p", f"CPUQuota={limits.cpu_cores:.2%}", "-p", "CPUQuotaPeriodSec=10ms"]
    if limits.memory_mb is not None:
        words += ["-p", f"MemoryMax={limits.memory_mb}M"]
    return ["systemd-run", "--scope", "--quiet", "--collect", *words, "--"] if words else []


def usage(connection: SshConnection) -> Usage:
    """What a guest has used since it was started."""
    used = json.loads(connection.usage())
    counted = connection.run(["cat", "/proc/vmstat"], timeout=_TIMEOUT_S).stdout.split()
    kills = dict(zip(counted[::2], counted[1::2], strict=False)).get("oom_kill", "0")
    return Usage(used["cpu_seconds"], used["memory_peak_mb"], int(kills))
