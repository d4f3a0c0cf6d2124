"""Moves packets between the TUN devices of nodes, with the delay, loss and rate of their links.

The state of a pair of nodes is created at its first packet, since few of all possible pairs communicate.
Times are seconds of CLOCK_MONOTONIC.
"""
# ruff: noqa: FURB136, PLR1730 (max() costs three times a comparison, and this runs for every packet)

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from random import Random
from struct import Struct
from time import monotonic
from typing import Any

from .jitter import Jitter
from .precedence import applicable
from .segment import MAX_PACKET_BYTES, VNET_BYTES, Train, is_train, measure
from .shape import Shape, from_link, to_link
from .state import Counters, Lateness, Node, Pair

READS_PER_TURN = 8
"""Packets read from one node before due packets and other nodes are served."""

MOST_WAKE_SECONDS = 0.0002
"""Largest compensation for the time that the host takes to wake the process."""

_DESTINATION = slice(VNET_BYTES + 16, VNET_BYTES + 20)
_VERSION = VNET_BYTES
_PORT = slice(VNET_BYTES + 22, VNET_BYTES + 24)
_PROBE = Struct("!qq")  # stream and number of a sentinel probe, see sentinels.node_agent
_PROBE_AT = VNET_BYTES + 29
_MOST_PROBES = 20_000


class Switch:
    """All nodes, links and packets in flight.

    Args:
        seed: seed of the random numbers for loss and, with the names of two nodes, for their jitter.

    Attributes:
        wake_s: recent average of the time that this host takes to wake the process.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._uniform = Random(seed).random
        self.nodes: dict[str, Node] = {}
        self._by_address: dict[bytes, Node] = {}
        self._shapes: dict[tuple[str, str], Shape] = {}
        self._counters: dict[tuple[str, str], Counters] = {}
        self._plain = Shape()
        self._heap: list[tuple[float, int, Node, bytes]] = []
        self._sequence = 0
        self._peak_in_flight = 0
        self._changes = 0
        self._unroutable = self._undeliverable = 0
        self._lateness = Lateness()
        self._intended: deque[tuple[int, int, float]] = deque(maxlen=_MOST_PROBES)
        self.wake_s = 0.0
        self._asleep = False

    # Nodes and links

    def attach(self, node: Node) -> None:
        """Attach a node; ValueError if its name or address is in use."""
        if node.name in self.nodes:
            raise ValueError(f"node {node.name} is attached already")
        if node.address in self._by_address:
            raise ValueError(f"node {node.name} has the address of {self._by_address[node.address].name}")
        self.nodes[node.name] = self._by_address[node.address] = node

    def detach(self, name: str) -> int:
        """Detach a node; returns its descriptor for the caller to close. KeyError if it is unknown."""
        node = self.nodes.pop(name)
        del self._by_address[node.address]
        for other in self.nodes.values():
            other.pairs.pop(node.address, None)
        fd, node.fd = node.fd, -1
        return fd

    def shape(self, links: Iterable[Mapping[str, Any]]) -> None:
        """Apply links to future packets; if ValueError is raised, none of them is applied."""
        known = {name for node in self.nodes.values() for name in (node.name, node.tier)}
        shapes: dict[tuple[str, str], Shape] = {}
        for link in links:
            key = (link.get("src"), link.get("dst"))
            if key[0] not in known or key[1] not in known:
                raise ValueError(f"link {key[0]} -> {key[1]}: no such node or tier is attached")
            shapes[key] = from_link(link)  # type: ignore[index]
        self._changes += 1
        new = shapes.keys() - self._shapes.keys()
        for key, shape in shapes.items():
            self._shapes.setdefault(key, shape).become(shape)
        if new:
            self._resolve_again()

    def applied(self) -> list[dict[str, Any]]:
        """The links between tiers or nodes, with the fields of a request of ``shape``."""
        return [{"src": src, "dst": dst, **to_link(shape)} for (src, dst), shape in self._shapes.items()]

    def _resolve_again(self) -> None:
        for node in self.nodes.values():
            for pair in node.pairs.values():
                pair.shape = self._shape_between(node, pair.target)

    def _shape_between(self, src: Node, dst: Node) -> Shape:
        return applicable(self._shapes, (src.name, src.tier), (dst.name, dst.tier)) or self._plain

    # The datapath

    def receive(self, node: Node) -> None:
        """Read packets of a node and forward them; OSError if its device is gone."""
        read, write, fd, pairs = os.read, os.write, node.fd, node.pairs
        now = monotonic()
        if self._asleep:
            self._asleep = False
            now -= self.wake_s
        for _ in range(READS_PER_TURN):
            try:
                packet = read(fd, MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            pair = pairs.get(packet[_DESTINATION])
            if pair is None or packet[_VERSION] >> 4 != 4:
                pair = self._new_pair(node, packet)
                if pair is None:
                    continue
            if not pair.shape.plain or pair.released_at > now:
                self._delay(pair, packet, now)
                continue
            counters = pair.counters
            count, size = measure(packet)
            counters.packets += count
            counters.bytes += size
            try:
                write(pair.target.fd, packet)
            except OSError:
                self._undeliverable += 1

    def _new_pair(self, node: Node, packet: bytes) -> Pair | None:
        """Create the state of a new pair; None if the packet is for no node."""
        target = self._by_address.get(packet[_DESTINATION]) if packet[_VERSION] >> 4 == 4 else None
        if target is None or target is node:
            self._unroutable += 1
            return None
        return self._make_pair(node, target)

    def _make_pair(self, node: Node, target: Node) -> Pair:
        counters = self._counters.setdefault((node.tier, target.tier), Counters())
        pair = node.pairs[target.address] = Pair(
            node.name, target, self._shape_between(node, target), counters
        )
        return pair

    def _delay(self, pair: Pair, packet: bytes, now: float) -> None:
        """Send a packet over a shaped link, split into pieces if necessary."""
        together = pair.shape.segments
        if not together or not is_train(packet):
            self._enqueue(pair, packet, *measure(packet), now)
            return
        train = Train(packet)
        for first in range(0, train.count, together):
            count = min(together, train.count - first)
            fitting = self._fitting(pair, train, first, count, now)
            if fitting < count:
                pair.counters.dropped_queue += count - fitting
            if fitting:
                self._enqueue(pair, train.cut(first, fitting), fitting, train.bytes_of(first, fitting), now)

    def _fitting(self, pair: Pair, train: Train, first: int, count: int, now: float) -> int:
        """Number of segments of a piece that fit into the queue."""
        shape = pair.shape
        if shape.seconds_per_byte:
            room = shape.queue_bytes - max(0.0, pair.free_at - now) / shape.seconds_per_byte
            while count and train.bytes_of(first, count) > room:
                count -= 1
        return count

    def _enqueue(self, pair: Pair, packet: bytes, count: int, size: int, now: float) -> None:
        """Queue and transmit a packet, drop it according to the loss, and schedule its arrival."""
        shape, counters = pair.shape, pair.counters
        start = pair.free_at if pair.free_at > now else now
        if shape.seconds_per_byte:
            queued = (start - now) / shape.seconds_per_byte + size
            if queued > shape.queue_bytes:
                counters.dropped_queue += count
                return
            if queued > counters.peak_queue_bytes:
                counters.peak_queue_bytes = int(queued)
            start += size * shape.seconds_per_byte
            pair.free_at = start
        if shape.loss and self._uniform() < shape.loss:
            counters.lost += count
            return
        counters.packets += count
        counters.bytes += size
        if shape.jitter_s:
            jitter = pair.jitter or self._begin_jitter(pair)
            at = start + shape.delay_for(jitter.at(start, shape.correlation_s))
        else:
            at = start + shape.delay_s
        if at < pair.released_at:
            at = pair.released_at
        pair.released_at = at
        if pair.probe_port and packet[_PORT] == pair.probe_port and len(packet) >= _PROBE_AT + _PROBE.size:
            self._intended.append((*_PROBE.unpack_from(packet, _PROBE_AT), at - now))
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, pair.target, packet))

    def _begin_jitter(self, pair: Pair) -> Jitter:
        chance = Random(f"{self._seed} {pair.source} {pair.target.name}")
        pair.jitter = Jitter(partial(chance.gauss, 0.0, 1.0))
        return pair.jitter

    def release(self) -> float | None:
        """Deliver due packets; returns when the next packet is due, None if there is none."""
        heap = self._heap
        if not heap:
            return None
        if len(heap) > self._peak_in_flight:
            self._peak_in_flight = len(heap)
        now = monotonic()
        due = heap[0][0]
        if due > now:
            return due
        self._lateness.note(now - due)
        while heap and heap[0][0] <= now:
            target, packet = heappop(heap)[2:]
            try:
                os.write(target.fd, packet)
            except OSError:
                self._undeliverable += 1
        return heap[0][0] if heap else None

    # Sentinel probes

    def expect_probes(self, src: str, dst: str, port: int) -> None:
        """Note the delay that is chosen for sentinel probes between two nodes; KeyError if one is unknown."""
        node, target = self.nodes[src], self.nodes[dst]
        pair = node.pairs.get(target.address) or self._make_pair(node, target)
        pair.probe_port = port.to_bytes(2, "big")

    def intended(self) -> Sequence[tuple[int, int, float]]:
        """Stream, number, and chosen delay in s of the probes since the last call; plain links have none."""
        found = list(self._intended)
        self._intended.clear()
        return found

    # Waking up

    def woke_by_timer(self, due: float) -> None:
        """Update ``wake_s`` after a sleep that was to end ``wake_s`` before ``due``."""
        took = monotonic() - (due - self.wake_s)
        self.wake_s += (min(took, MOST_WAKE_SECONDS) - self.wake_s) / 16
        self._asleep = False

    def woke_by_packet(self) -> None:
        """Record that the next packets arrived while the process slept.

        They are assumed to have arrived ``wake_s`` ago, as waking for a packet takes as long as for a timer.
        """
        self._asleep = True

    # Statistics

    def stats(self) -> dict[str, Any]:
        """Counters per ordered pair of tiers, and the state of the fabric.

        ``links`` has ``src``, ``dst`` and the ``Counters`` of each pair of tiers that has communicated.
        ``unroutable`` counts packets for no node (IPv6, multicast, broadcast, unknown addresses),
        ``undeliverable`` those whose receiver's interface was down or its queue full, ``in_flight`` and
        ``peak_in_flight`` scheduled packets. ``lateness`` has the number of wake-ups, of those more than 1 ms
        late, and mean and worst lateness in ms. ``changes`` counts requests that changed links, and ``now_s``
        is the reading of CLOCK_MONOTONIC at which this request was handled. ``real_time`` tells whether the
        process has real-time priority, without which it is late on a busy host.
        """
        times = os.times()
        return {
            "links": [
                {"src": src, "dst": dst, **counters.as_json()}
                for (src, dst), counters in self._counters.items()
            ],
            "now_s": monotonic(),
            "changes": self._changes,
            "nodes": len(self.nodes),
            "unroutable": self._unroutable,
            "undeliverable": self._undeliverable,
            "in_flight": len(self._heap),
            "peak_in_flight": self._peak_in_flight,
            "cpu_seconds": times.user + times.system,
            "real_time": os.sched_getscheduler(0) != os.SCHED_OTHER,
            "lateness": self._lateness.as_json(),
        }
