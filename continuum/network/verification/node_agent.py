"""The measuring agent on a node: sends probes, echoes them, sends and counts traffic.

It uses only the standard library; the node's interpreter receives its source. Commands are JSON lines on
standard input, answers are JSON lines on standard output; the first line has its two ports.

Arrival times are those of the kernel (SO_TIMESTAMPNS), and the echo reports how long it held a probe, so that
round trips exclude the delays of both interpreters.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

IP_UDP_BYTES = 28
SO_TIMESTAMPNS = 35  # from asm-generic/socket.h; not in the socket module
_TIMESPEC = struct.Struct("@qq")
_PROBE = struct.Struct("!cqqqqq")  # kind, stream, number, sent; set by the echo: heard, answered
_TRAIN = struct.Struct("!cq")
_STREAM = struct.Struct("!q")
_TCP_CONGESTION = 13  # from linux/tcp.h
_CONGESTION_CONTROLS = (b"bbr", b"reno")
"""Preferred first: BBR finds the rate of a link soonest; jitter ends the slow start of CUBIC too early."""

_TICK_S = 0.001
_RECEIVE_BUFFER_BYTES = 8 << 20


def udp_socket(address: str) -> socket.socket:
    """A UDP socket with arrival times of the kernel."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    made.bind((address, 0))
    made.setblocking(False)
    return made


def choose_congestion_control(connection: socket.socket) -> None:
    """Use the first preferred congestion control that this kernel lets the process use."""
    for name in _CONGESTION_CONTROLS:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, name)
            return


def receive(source: socket.socket) -> tuple[bytes, int, Any]:
    """Receive a packet; returns it, its arrival in ns of CLOCK_REALTIME, and its sender."""
    data, extras, _, sender = source.recvmsg(65536, 128)
    for level, kind, value in extras:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            return data, seconds * 1_000_000_000 + nanoseconds, sender
    return data, time.time_ns(), sender


def slope(points: list[tuple[float, float]]) -> float | None:
    """Least-squares slope; None with fewer than three points."""
    if len(points) < 3:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def processors() -> list[tuple[int, int]]:
    """Busy time and total time of each processor of this machine, in clock ticks."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes long to load
        lines = [line.split() for line in file if line.startswith("cpu") and not line.startswith("cpu ")]
    ticks = [[int(word) for word in line[1:9]] for line in lines]
    return [(sum(one) - one[3] - one[4], sum(one)) for one in ticks]


def busiest(before: list[tuple[int, int]]) -> float:
    """Busy share of the busiest processor since ``before``."""
    shares = [
        (work - work_before) / max(1, total - total_before)
        for (work_before, total_before), (work, total) in zip(before, processors(), strict=False)
    ]
    return max(shares, default=0.0)


class Agent:
    """An event loop over sockets, timed actions and commands.

    Args:
        address: the node's address on the measured links.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.selector = selectors.DefaultSelector()
        self.timed: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.heard: dict[int, dict[int, int]] = {}  # per stream of probes: one-way delays seen here, in ns
        self.trips: dict[int, dict[int, int]] = {}  # per stream of own probes: round trips, in ns
        self.ways_back: dict[int, dict[int, int]] = {}  # and one-way delays of the answers, in ns
        self.arrivals: dict[int, list[tuple[float, float]]] = {}  # per stream: seconds and bytes so far
        self.busy: dict[int, float] = {}  # per stream over TCP: share of time of the busiest processor
        self.udp = udp_socket(address)
        self.prober = udp_socket(address)
        self.listener = socket.create_server((address, 0))
        self.listener.setblocking(False)
        self.commands = b""
        self.watch(self.udp, self.on_packet)
        self.watch(self.prober, self.on_answer)
        self.watch(self.listener, self.on_connection)
        self.selector.register(0, selectors.EVENT_READ, self.on_command)

    def watch(self, source: socket.socket, action: Callable[[], None]) -> None:
        """Call ``action`` whenever ``source`` is readable."""
        self.selector.register(source, selectors.EVENT_READ, action)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Call ``action`` once, at a time of CLOCK_MONOTONIC."""
        self.count += 1
        heapq.heappush(self.timed, (when, self.count, action))

    def say(self, message: dict[str, Any]) -> None:
        """Write one answer."""
        os.write(1, (json.dumps(message) + "\n").encode())

    def run(self) -> None:
        """Serve until standard input ends."""
        sockets = {"udp": self.udp, "probe": self.prober, "tcp": self.listener}
        self.say({name: one.getsockname()[1] for name, one in sockets.items()})
        while True:
            now = time.monotonic()
            while self.timed and self.timed[0][0] <= now:
                heapq.heappop(self.timed)[2]()
            timeout = max(0.0, self.timed[0][0] - time.monotonic()) if self.timed else None
            for key, _ in self.selector.select(timeout):
                key.data()

    def on_command(self) -> None:
        """Read commands, one per line, from standard input."""
        data = os.read(0, 65536)
        if not data:
            sys.exit(0)
        *lines, self.commands = (self.commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            getattr(self, "do_" + command.pop("do"))(**command)

    def on_packet(self) -> None:
        """Echo probes and count UDP traffic."""
        for _ in range(64):
            try:
                data, arrived, sender = receive(self.udp)
            except BlockingIOError:
                return
            if data[:1] == b"P":
                kind, stream, number, sent, _, _ = _PROBE.unpack_from(data)
                self.heard.setdefault(stream, {})[number] = arrived - sent
                answer = _PROBE.pack(kind, ~stream, number, sent, arrived, time.time_ns())
                try:
                    self.udp.sendto(answer, sender)
                except OSError:
                    continue
            elif data[:1] == b"T":
                _, stream = _TRAIN.unpack_from(data)
                points = self.arrivals.setdefault(stream, [])
                total = points[-1][1] if points else 0.0
                points.append((arrived / 1e9, total + len(data) + IP_UDP_BYTES))

    def on_answer(self) -> None:
        """Note the answers to own probes; late ones are ignored."""
        while True:
            try:
                data, arrived, _ = receive(self.prober)
            except BlockingIOError:
                return
            except OSError:
                continue
            _, answered_stream, number, sent, heard, answered = _PROBE.unpack_from(data)
            if (trips := self.trips.get(~answered_stream)) is not None:
                trips[number] = arrived - sent - (answered - heard)
                self.ways_back[~answered_stream][number] = arrived - answered

    def on_connection(self) -> None:
        """Count TCP traffic; the first 8 bytes are the number of the stream."""
        connection, _ = self.listener.accept()
        connection.settimeout(5.0)
        points: list[tuple[float, float]] = []
        try:
            stream = _STREAM.unpack(connection.recv(8))[0]
        except (OSError, struct.error):
            connection.close()
            return
        self.arrivals[stream] = points
        before = processors()
        connection.setblocking(False)
        buffer = bytearray(1 << 20)
        total = 0.0

        def on_data() -> None:
            nonlocal total
            try:
                size = connection.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:
                self.busy[stream] = busiest(before)
                self.selector.unregister(connection)
                connection.close()
                return
            total += size
            points.append((time.monotonic(), total))

        self.watch(connection, on_data)

    # Commands

    def do_probe(
        self, stream: int, to: list[Any], count: int, interval_s: float, after_s: float, wait_s: float
    ) -> None:
        """Send paced probes, the first one ``after_s`` from now.

        ``wait_s`` after the last one, reports round trips and the delays of the answers, in ns by number. The
        answer to a probe has the complement of the number of its stream, so that both can be told apart.
        """
        self.trips[stream], self.ways_back[stream] = {}, {}
        begin = time.monotonic() + 0.02 + after_s

        def send(number: int) -> None:
            if number == count:
                self.at(time.monotonic() + wait_s, report)
                return
            with contextlib.suppress(OSError):  # it counts as lost
                self.prober.sendto(_PROBE.pack(b"P", stream, number, time.time_ns(), 0, 0), tuple(to))
            self.at(begin + (number + 1) * interval_s, lambda: send(number + 1))

        def report() -> None:
            self.say(
                {
                    "stream": stream,
                    "rtt_ns": [*self.trips.pop(stream).items()],
                    "one_way_ns": [*self.ways_back.pop(stream).items()],
                }
            )

        self.at(begin, lambda: send(0))

    def do_heard(self, stream: int) -> None:
        """Report the number and the one-way delay, in ns between both clocks, of received probes."""
        self.say({"heard": stream, "one_way_ns": [*self.heard.pop(stream, {}).items()]})

    def do_train(self, stream: int, to: list[Any], mbit: float, seconds: float, size: int) -> None:
        """Send UDP packets of ``size`` IP bytes at a rate, in steps of a millisecond."""
        packet = _TRAIN.pack(b"T", stream).ljust(size - IP_UDP_BYTES, b"\0")
        per_second = mbit * 1e6 / 8 / size
        begin, sent = time.monotonic(), 0

        def send() -> None:
            nonlocal sent
            now = time.monotonic() - begin
            if now >= seconds:
                self.say({"stream": stream})
                return
            while sent < now * per_second:
                sent += 1
                with contextlib.suppress(OSError):  # the sender's queue is full
                    self.udp.sendto(packet, tuple(to))
            self.at(begin + now + max(_TICK_S, 1 / per_second), send)

        self.at(begin, send)

    def do_flow(self, stream: int, to: list[Any], seconds: float) -> None:
        """Send over TCP at full speed; report the busy share of the busiest processor."""
        before = processors()
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        choose_congestion_control(connection)
        chunk = bytes(256 << 10)
        end = time.monotonic() + seconds

        def finish() -> None:
            connection.close()
            self.say({"stream": stream, "busy": busiest(before)})

        def send() -> None:
            if time.monotonic() >= end:
                self.selector.unregister(connection)
                finish()
                return
            try:
                connection.send(chunk)
            except BlockingIOError:
                return
            except OSError:
                self.selector.unregister(connection)
                finish()

        try:
            connection.connect(tuple(to))
            connection.sendall(_STREAM.pack(stream))
        except OSError:
            finish()
            return
        connection.setblocking(False)
        end = time.monotonic() + seconds
        # Abort at the end, so that queued data does not disturb the next measurement.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.selector.register(connection, selectors.EVENT_WRITE, send)

    def do_received(self, stream: int, skip_s: float) -> None:
        """Report the received bytes of a stream, and its rate after the first ``skip_s`` seconds."""
        points = self.arrivals.pop(stream, [])
        first = points[0][0] if points else 0.0
        steady = [(at - first, amount) for at, amount in points if at - first >= skip_s]
        rise = slope(steady)
        self.say(
            {
                "received": stream,
                "bytes": points[-1][1] if points else 0,
                "mbit": None if rise is None else rise * 8 / 1e6,
                "seconds": steady[-1][0] - steady[0][0] if steady else 0.0,
                "busy": self.busy.pop(stream, 0.0),
            }
        )


if __name__ == "__main__":
    Agent(sys.argv[1]).run()
