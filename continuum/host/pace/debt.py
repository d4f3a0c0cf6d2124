"""How long a node has to be stopped for the CPU time that it has used. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LATE_NS = 500_000
"""A node that has computed since its release without so long a break is charged from when it was due, so that
a late release is made up for. After a longer break it was idle, which earns nothing."""


class Debt:
    """The debt of one node.

    Args:
        speed: speed of its processors, as a share of this host's; below 1.
        cores: number of its processors.
        stop_ns: CPU time that each stop costs the node; it counts as no work.

    Attributes:
        due_ns: when it may compute again.
        released_ns: when it was last allowed to.
        is_stopped: whether it is stopped now.
    """

    __slots__ = ("_cores", "_speed", "_stop_ns", "_was_stopped", "due_ns", "is_stopped", "released_ns")

    def __init__(self, speed: float, cores: int, stop_ns: int = 0) -> None:
        self._stop_ns = stop_ns
        self._was_stopped = False
        self._speed = speed
        self._cores = cores
        self.due_ns = self.released_ns = 0
        self.is_stopped = False

    def charge(self, ran_ns: Sequence[int], now_ns: int) -> int:
        """Charge what the node has computed on each CPU of the host; returns when it may go on.

        Processors compute side by side: what ran at the same time on several CPUs, up to the number of the
        node's processors, is charged once.
        """
        wall_ns = max(*ran_ns, sum(ran_ns) // self._cores)
        is_continuous = self.is_stopped or now_ns - self.released_ns <= wall_ns + LATE_NS
        begin_ns = self.due_ns if is_continuous else now_ns - wall_ns
        useful_ns = wall_ns - (self._stop_ns if self._was_stopped else 0)
        self._was_stopped = False
        self.due_ns = begin_ns + max(wall_ns, round(useful_ns / self._speed))
        return self.due_ns

    def stop(self) -> None:
        """The node is stopped."""
        self.is_stopped = self._was_stopped = True

    def release(self, now_ns: int) -> None:
        """The node may compute."""
        self.is_stopped = False
        self.released_ns = now_ns
