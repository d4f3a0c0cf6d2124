"""Resource usage of a guest, and limits of a workload in it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from continuum.connection.ssh.connection import SshConnection
from continuum.model.limits import Limits
from continuum.model.node import Usage

_TIMEOUT_S = 30.0


def limited(limits: Limits) -> Sequence[str]:
    """Prefix of a command that applies its limits, as a systemd scope with quotas per 10 ms; pure."""
    words = []
    if limits.cpu_cores is not None:
        words += ["-p", f"CPUQuota={limits.cpu_cores:.2%}", "-p", "CPUQuotaPeriodSec=10ms"]
    if limits.memory_mb is not None:
        words += ["-p", f"MemoryMax={limits.memory_mb}M"]
    return ["systemd-run", "--scope", "--quiet", "--collect", *words, "--"] if words else []


def usage(connection: SshConnection) -> Usage:
    """Resource usage of a guest since it was started."""
    used = json.loads(connection.usage())
    counted = connection.run(["cat", "/proc/vmstat"], timeout=_TIMEOUT_S).stdout.split()
    kills = dict(zip(counted[::2], counted[1::2], strict=False)).get("oom_kill", "0")
    return Usage(used["cpu_seconds"], used["memory_peak_mb"], int(kills))
