"""Resource limits of a process or workload."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Resource limits of one workload on its node.

    Attributes:
        cpu_cores: cores, before the node's quota; None for no limit.
        memory_mb: memory in MiB; None for no limit.
    """

    cpu_cores: float | None = None
    memory_mb: int | None = None


NO_LIMITS = Limits()
