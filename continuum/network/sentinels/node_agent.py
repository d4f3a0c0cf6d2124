"""Sends and receives sentinel probes on a node.

It uses only the standard library; the node's interpreter receives its source. Commands are JSON lines on
standard input, answers are JSON lines on standard output; the first line has its port.

A probe has its own time of sending; arrival times are those of the kernel (SO_TIMESTAMPNS). A probe whose
sending took long is reported as void, because its time of sending is then not known exactly.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35  # from asm-generic/socket.h; not in the socket module
VOID_NS = 200_000
_TIMESPEC = struct.Struct("@qq")
_PROBE = struct.Struct("!cqqq")  # kind, stream, number, sent


class Stream:
    """Probes to one other node."""

    def __init__(self, number: int, to: list, interval_s: float) -> None:  # type: ignore[type-arg]
        self.number, self.to, self.interval_s = number, tuple(to), interval_s
        self.due_s = time.monotonic()
        self.count = 0


class Agent:
    """A loop over commands, arrivals and due probes.

    Args:
        address: the node's address on the emulated links.
    """

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        self.streams: list[Stream] = []
        self.heard: list[tuple[int, int, int, int]] = []
        self.void: list[tuple[int, int]] = []
        self.commands = b""

    def run(self) -> None:
        """Serve until standard input ends."""
        self.say({"udp": self.socket.getsockname()[1]})
        selector = selectors.DefaultSelector()
        selector.register(0, selectors.EVENT_READ, self.on_command)
        selector.register(self.socket, selectors.EVENT_READ, self.on_packet)
        while True:
            due_s = min((stream.due_s for stream in self.streams), default=None)
            timeout = None if due_s is None else max(0.0, due_s - time.monotonic())
            for key, _ in selector.select(timeout):
                key.data()
            for stream in self.streams:
                if stream.due_s <= time.monotonic():
                    self.send(stream)

    def say(self, message: dict) -> None:  # type: ignore[type-arg]
        """Write one answer."""
        os.write(1, (json.dumps(message, separators=(",", ":")) + "\n").encode())

    def send(self, stream: Stream) -> None:
        """Send the next probe; those that were due meanwhile are left out."""
        sent_ns = time.time_ns()
        try:
            self.socket.sendto(_PROBE.pack(b"S", stream.number, stream.count, sent_ns), stream.to)
        except OSError:
            sent_ns = 0  # the interface is gone: no probe, and nothing to compare
        if time.time_ns() - sent_ns > VOID_NS:
            self.void.append((stream.number, stream.count))
        stream.count += 1
        stream.due_s = max(stream.due_s + stream.interval_s, time.monotonic())

    def on_packet(self) -> None:
        """Note stream, number, time of sending and delay of probes."""
        for _ in range(64):
            try:
                data, extras, _, _ = self.socket.recvmsg(256, 128)
            except BlockingIOError:
                return
            except OSError:
                continue
            if len(data) != _PROBE.size:
                continue
            _, stream, number, sent_ns = _PROBE.unpack(data)
            for level, kind, value in extras:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                    arrived_ns = seconds * 1_000_000_000 + nanoseconds
                    self.heard.append((stream, number, sent_ns, arrived_ns - sent_ns))

    def on_command(self) -> None:
        """Handle commands, one per line."""
        data = os.read(0, 65536)
        if not data:
            sys.exit(0)
        *lines, self.commands = (self.commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command["do"] == "send":
                self.streams.append(Stream(command["stream"], command["to"], command["interval_s"]))
            else:
                self.say(
                    {
                        "report": command["report"],
                        "heard": self.heard,
                        "void": self.void,
                        "cpu_s": time.process_time(),
                    }
                )
                self.heard, self.void = [], []


if __name__ == "__main__":
    Agent(sys.argv[1]).run()
