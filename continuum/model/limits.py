"""Limits on what a process or workload may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one workload may use of its node.

    Attributes:
        cpu_cores: cores of the node, before the node's quota; None for all of them.
        memory_mb: memory in MiB; None for all of the node's.
    """

    cpu_cores: float | None = None
    memory_mb: int | None = None


NO_LIMITS = Limits()
