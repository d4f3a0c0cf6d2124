"""State of the switch: nodes, pairs of nodes, counters, and lateness."""

from __future__ import annotations

from .jitter import Jitter
from .shape import Shape


class Counters:
    """Counters of one ordered pair of tiers, in IP packets.

    Attributes:
        packets: accepted packets, delivered or in flight.
        bytes: of those packets, IP headers included.
        dropped_queue: packets dropped because the queue was full.
        lost: packets lost according to the link's loss.
        peak_queue_bytes: longest queue of any pair of nodes.
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
        fd: descriptor of its TUN device; -1 after detaching.
        pairs: state of the paths to other nodes, by their address.
    """

    __slots__ = ("address", "fd", "name", "pairs", "tier")

    def __init__(self, name: str, tier: str, address: bytes, fd: int) -> None:
        self.name, self.tier, self.address, self.fd = name, tier, address, fd
        self.pairs: dict[bytes, Pair] = {}


class Pair:
    """State of the path from one node to another.

    Attributes:
        source: name of the node that sends.
        target: the node that receives.
        shape: the shape of its link.
        counters: the counters of its tiers.
        free_at: when the link has transmitted all accepted packets (virtual clock, Zhang 1990).
        released_at: arrival of the last accepted packet; later packets do not overtake it.
        jitter: the random part of its delay.
        probe_port: UDP port of sentinel probes on this path, 2 bytes; empty if there are none.
    """

    __slots__ = (
        "counters", "free_at", "jitter", "probe_port", "released_at", "shape", "source", "target"
    )  # fmt: skip

    def __init__(self, source: str, target: Node, shape: Shape, counters: Counters) -> None:
        self.source, self.target, self.shape, self.counters = source, target, shape, counters
        self.free_at = self.released_at = 0.0
        self.jitter: Jitter | None = None
        self.probe_port = b""


class Lateness:
    """How late packets were delivered."""

    __slots__ = ("_over_1ms", "_total_s", "_wakeups", "_worst_s")

    def __init__(self) -> None:
        self._wakeups = self._over_1ms = 0
        self._total_s = self._worst_s = 0.0

    def note(self, late_s: float) -> None:
        """Record the lateness of the first packet delivered after a wake-up."""
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
