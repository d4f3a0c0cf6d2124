"""What the switch remembers: nodes, pairs of them that have spoken, what it counted, how late it was."""

from __future__ import annotations

from .shape import Shape

BURST_SECONDS = 0.002
"""Packets of one pair that come this soon after the first of a burst share one draw of the delay."""


class Counters:
    """What happened between the nodes of one ordered pair of tiers, in IP packets of the network.

    Attributes:
        packets: accepted and delivered, or still on their way.
        bytes: of those packets, IP headers included.
        dropped_queue: dropped at the tail of a full queue.
        lost: lost on the way, as the link's loss asks for.
        peak_queue_bytes: longest queue of any one pair of nodes.
    """

    __slots__ = ("bytes", "dropped_queue", "lost", "packets", "peak_queue_bytes")

    def __init__(self) -> None:
        self.packets = self.bytes = self.dropped_queue = self.lost = self.peak_queue_bytes = 0

    def as_json(self) -> dict[str, int]:
        """The counters by name."""
        return {name: int(getattr(self, name)) for name in self.__slots__}


class Node:
    """An attached node.

    Attributes:
        name: its name.
        tier: its tier.
        address: its IPv4 address, 4 bytes.
        fd: its TUN device; -1 once it is detached.
        pairs: state towards other nodes, by their address.
    """

    __slots__ = ("address", "fd", "name", "pairs", "tier")

    def __init__(self, name: str, tier: str, address: bytes, fd: int) -> None:
        self.name, self.tier, self.address, self.fd = name, tier, address, fd
        self.pairs: dict[bytes, Pair] = {}


class Pair:
    """What is remembered from one packet to the next between two nodes, one way.

    Attributes:
        target: the node that receives.
        shape: the link it follows.
        counters: those of its tiers.
        free_at: when the link will have sent all it accepted (a virtual clock, Zhang 1990).
        released_at: when the last accepted packet arrives; no later one arrives earlier.
        burst_at: when the current burst began.
        burst_delay: the delay drawn for it.
    """

    __slots__ = ("burst_at", "burst_delay", "counters", "free_at", "released_at", "shape", "target")

    def __init__(self, target: Node, shape: Shape, counters: Counters) -> None:
        self.target, self.shape, self.counters = target, shape, counters
        self.free_at = self.released_at = self.burst_delay = 0.0
        self.burst_at = -BURST_SECONDS


class Lateness:
    """How far behind the schedule packets were delivered."""

    __slots__ = ("_over_1ms", "_total_s", "_wakeups", "_worst_s")

    def __init__(self) -> None:
        self._wakeups = self._over_1ms = 0
        self._total_s = self._worst_s = 0.0

    def note(self, late_s: float) -> None:
        """Count the first packet that was delivered after a wake-up."""
        self._wakeups += 1
        self._total_s += late_s
        self._worst_s = max(self._worst_s, late_s)
        if late_s > 0.001:
            self._over_1ms += 1

    def as_json(self) -> dict[str, float]:
        """Wake-ups, those more than 1 ms late, mean and worst in ms."""
        return {
            "wakeups": self._wakeups,
            "over_1ms": self._over_1ms,
            "mean_ms": self._total_s / self._wakeups * 1e3 if self._wakeups else 0.0,
            "worst_ms": self._worst_s * 1e3,
        }
