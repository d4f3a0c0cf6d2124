"""Offsets between the clocks of machines, with their errors.

The reference is the orchestrator's CLOCK_MONOTONIC. A node's clock is read between two readings of the
reference. The exchange with the shortest round trip bounds the offset best, because the reading took place
within that round trip: offset = node reading - middle of the round trip, error = half of the round trip
(F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3, 1989).
The offsets before and after a run give the drift; in between, the offset is interpolated linearly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from continuum.connection.base import Connection

EXCHANGES = 50
"""Readings per estimate; the minimum round trip converges with fewer."""


@dataclass(frozen=True)
class Exchange:
    """One reading of a node's clock.

    Attributes:
        sent_ns: reference clock before the reading.
        node_ns: the node's clock.
        received_ns: reference clock after the reading.
    """

    sent_ns: int
    node_ns: int
    received_ns: int

    @property
    def rtt_ns(self) -> int:
        """Duration of the reading on the reference clock."""
        return self.received_ns - self.sent_ns


@dataclass(frozen=True)
class Offset:
    """The offset of a node's clock at one moment.

    Attributes:
        at_ns: the moment on the reference clock.
        offset_ns: node clock minus reference clock.
        error_ns: largest possible error of ``offset_ns``, half the shortest round trip, rounded up.
    """

    at_ns: int
    offset_ns: int
    error_ns: int


@dataclass(frozen=True)
class NodeClock:
    """A node's clock during a run.

    Attributes:
        before: offset before the run.
        after: offset after the run; None if the node was unavailable.
    """

    before: Offset
    after: Offset | None = None

    @property
    def error_ns(self) -> int:
        """Largest possible error of a converted reading, if the drift is linear."""
        return max(self.before.error_ns, self.after.error_ns if self.after else 0)

    @property
    def drift_ppm(self) -> float | None:
        """Drift of the node's clock relative to the reference; None with fewer than two offsets."""
        if self.after is None or self.after.at_ns == self.before.at_ns:
            return None
        gained_ns = self.after.offset_ns - self.before.offset_ns
        return 1e6 * gained_ns / (self.after.at_ns - self.before.at_ns)

    def to_reference(self, node_ns: int) -> int:
        """Convert a reading of the node's clock to the reference clock, in integer ns."""
        first = self.before
        if self.after is None:
            return node_ns - first.offset_ns
        span_ns = self.after.at_ns + self.after.offset_ns - first.at_ns - first.offset_ns
        if span_ns <= 0:
            return node_ns - first.offset_ns
        gained_ns = self.after.offset_ns - first.offset_ns
        since_ns = node_ns - first.at_ns - first.offset_ns
        return node_ns - first.offset_ns - gained_ns * since_ns // span_ns


def estimate(exchanges: Iterable[Exchange]) -> Offset:
    """The offset according to the exchange with the shortest round trip; ValueError without exchanges."""
    best = min(exchanges, key=lambda exchange: exchange.rtt_ns)
    middle_ns = best.sent_ns + best.rtt_ns // 2
    return Offset(at_ns=middle_ns, offset_ns=best.node_ns - middle_ns, error_ns=(best.rtt_ns + 1) // 2)


def measure(
    connection: Connection,
    exchanges: int = EXCHANGES,
    reference: Callable[[], int] = time.monotonic_ns,
) -> Offset:
    """Measure the offset of one node; a node that shares this host's clock has offset 0.

    Raises:
        ConnectionFailure: the node cannot be reached.
    """
    if connection.host_clock:
        return Offset(at_ns=reference(), offset_ns=0, error_ns=0)
    with connection.clock() as read:
        return estimate(Exchange(reference(), read(), reference()) for _ in range(exchanges))


def measure_all(connections: Mapping[str, Connection], exchanges: int = EXCHANGES) -> dict[str, Offset]:
    """Measure all nodes, a few at a time, since parallel exchanges lengthen round trips."""
    foreign = [name for name, connection in connections.items() if not connection.host_clock]
    offsets = {name: measure(connection) for name, connection in connections.items() if connection.host_clock}
    if foreign:
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = pool.map(lambda name: measure(connections[name], exchanges), foreign)
            offsets.update(zip(foreign, found, strict=True))
    return {name: offsets[name] for name in connections}


def pair(before: Mapping[str, Offset], after: Mapping[str, Offset]) -> dict[str, NodeClock]:
    """One clock per node from its offsets; nodes that became unavailable are missing in ``after``."""
    return {name: NodeClock(offset, after.get(name)) for name, offset in before.items()}
