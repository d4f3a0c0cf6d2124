"""Delays of streams on a link of 45 +- 5 ms at 1-5,000 packets a second, and the time of a video frame.

Senders stamp their packets, and the kernel stamps arrivals, so that nothing but the fabric and the host's
scheduling is in a delay. What the host adds is measured on the same link without jitter, and subtracted from
means. At low rates several nodes send, for enough independent delays.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from statistics import mean, pstdev

from benchmarks.fabric_nodes import BareNetwork
from benchmarks.table import Row, arguments, report
from continuum.model.topology import Link
from continuum.network.verification.node_agent import receive, udp_socket

MEAN_MS, JITTER_MS = 45.0, 5.0
STREAMS = ((1, 40, 25.0), (50, 10, 12.0), (500, 10, 12.0), (5000, 1, 30.0))
"""Packets a second, senders, and seconds."""

BAR_MEAN_PERCENT, BAR_JITTER_PERCENT = 1.0, 5.0
FRAME_PACKETS, FRAME_BYTES, FRAME_SENDERS, FRAME_SECONDS = 12, 1500, 5, 20.0
FRAME_RATES_MBIT = (7.21, 29.66)
BAR_FRAME_PERCENT = 2.0

_PACKET = struct.Struct("!qI")
_HEADER_BYTES = 28
_SENDER = """
import socket, struct, sys, time
address, port, interval, burst, seconds, size = sys.argv[1], *map(float, sys.argv[2:])
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
packet, number, begin = struct.Struct("!qI"), 0, time.monotonic() + 0.2
while (due := begin + number * interval) < begin + seconds:
    time.sleep(max(0.0, due - time.monotonic()))
    for _ in range(int(burst)):
        data = packet.pack(time.time_ns(), number).ljust(int(size), b"x")
        made.sendto(data, (address, int(port)))
    number += 1
"""


def main() -> int:
    options = arguments(__doc__).parse_args()
    rows: list[Row] = []
    names = {"cloud0": "cloud", **{f"endpoint{number}": "endpoint" for number in range(40)}}
    with BareNetwork(names) as net:
        for per_second, senders, seconds in STREAMS:
            net.shape(Link("endpoint", "cloud", MEAN_MS))
            steady_ms = _delays_ms(net, per_second, senders, seconds / 4)
            net.shape(Link("endpoint", "cloud", MEAN_MS, JITTER_MS))
            delays_ms = _delays_ms(net, per_second, senders, seconds)
            sent = round(senders * seconds * per_second)
            rows += _stream_rows(per_second, delays_ms, sent, mean(steady_ms) - MEAN_MS)
        for mbit in FRAME_RATES_MBIT:
            net.shape(Link("endpoint", "cloud", MEAN_MS, JITTER_MS, mbit))
            rows.append(_frame_row(net, mbit))
    return report(rows, options.json)


def _delays_ms(net: BareNetwork, per_second: float, senders: int, seconds: float) -> list[float]:
    got = _received(net, senders, 1 / per_second, 1, seconds, 100)
    return [(arrived - sent) / 1e6 for arrived, sent, _, _ in got]


def _stream_rows(per_second: float, delays_ms: list[float], sent: int, host_ms: float) -> Iterator[Row]:
    name, spread = f"{per_second} packets/s", pstdev(delays_ms)
    centre = mean(delays_ms) - host_ms
    error = 100 * abs(centre / MEAN_MS - 1)
    detail = f"{centre:.2f} ms, and {host_ms:.2f} ms of the host; {len(delays_ms)} of {sent} packets"
    yield Row(f"{name}: error of the mean", error, "%", BAR_MEAN_PERCENT, detail=detail)
    error = 100 * abs(spread / JITTER_MS - 1)
    yield Row(f"{name}: error of the jitter", error, "%", BAR_JITTER_PERCENT, detail=f"{spread:.2f} ms")


def _frame_row(net: BareNetwork, mbit: float) -> Row:
    """The mean time from the first packet sent to the last one received."""
    size = FRAME_BYTES - _HEADER_BYTES
    got = _received(net, FRAME_SENDERS, 0.1, FRAME_PACKETS, FRAME_SECONDS, size)
    first: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], int] = {}
    for arrived, sent, number, sender in got:
        frame = sender, number
        first[frame] = min(sent, first.get(frame, sent))
        last[frame] = max(arrived, last.get(frame, arrived))
    times_ms = [(last[frame] - first[frame]) / 1e6 for frame in first]
    expected_ms = MEAN_MS + FRAME_PACKETS * FRAME_BYTES * 8 / mbit / 1e3
    found = mean(times_ms)
    detail = f"{found:.2f} +- {pstdev(times_ms):.2f} ms instead of {expected_ms:.2f}, {len(times_ms)} frames"
    error = 100 * abs(found / expected_ms - 1)
    return Row(f"frame of 12 packets, {mbit:g} Mbit/s", error, "%", BAR_FRAME_PERCENT, detail=detail)


def _received(
    net: BareNetwork, senders: int, interval_s: float, burst: int, seconds: float, size: int
) -> list[tuple[int, int, int, str]]:
    """Arrival and time of sending in ns, number of the burst, and sender of every packet."""
    cloud = net["cloud0"]
    target = cloud.call(lambda: udp_socket(cloud.address))
    words = [cloud.address, *map(str, (target.getsockname()[1], interval_s, burst, seconds, size))]
    argv = [sys.executable, "-I", "-S", "-c", _SENDER, *words]
    processes = [net[f"endpoint{number}"].start(argv) for number in range(senders)]
    got: list[tuple[int, int, int, str]] = []
    target.settimeout(1.0)
    while True:
        try:
            data, arrived, sender = receive(target)
        except TimeoutError:
            if all(process.poll() is not None for process in processes):
                break
            continue
        sent, number = _PACKET.unpack_from(data)
        got.append((arrived, sent, number, sender[0]))
    target.close()
    return got


if __name__ == "__main__":
    raise SystemExit(main())
