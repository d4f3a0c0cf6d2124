"""Round trips of the application video's transports between two processes on the loopback interface.

Without network delay and inference, this is the overhead of the software in the stages uplink and downlink.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import tempfile
import threading
import time
from multiprocessing.synchronize import Event
from os import chdir

from application.video import transport
from application.video.transport import Origin
from application.video.transport_mqtt import find_broker
from benchmarks.table import Row, arguments, report

SIZES = (15_000, 60_000)
ECHOES = 500
WARM_UP = 50
TIMEOUT_S = 10.0


def echo(name: str, port: int, folder: str, ready: Event, end: Event) -> None:
    """The worker: sends each message back."""
    chdir(folder)

    def send_back(message: bytes, origin: Origin | None = None) -> bool:  # noqa: ARG001 - of the interface
        link.answer("bench", message)
        return True

    link = transport.load(name).serve("127.0.0.1", port, send_back)
    ready.set()
    end.wait()
    link.close()


def round_trips_ms(name: str, port: int, size: int) -> list[float]:
    """Round trips in ms, one message at a time."""
    came = threading.Event()
    uplink = transport.load(name).connect("127.0.0.1", port, "bench", lambda _: came.set(), 1)
    message, times = bytes(size), []
    for number in range(WARM_UP + ECHOES):
        came.clear()
        begun = time.perf_counter()
        uplink.send(message, TIMEOUT_S)
        # The first messages may leave before the subscription has reached the other side.
        if not came.wait(TIMEOUT_S if number else 0.5):
            if number:
                raise TimeoutError(f"{name}: no echo within {TIMEOUT_S:g} s")
            time.sleep(0.5)
        elif number >= WARM_UP:
            times.append((time.perf_counter() - begun) * 1e3)
    uplink.close()
    return times


def measure(name: str) -> list[Row]:
    """Measure all sizes with one transport."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        worker = context.Process(target=echo, args=(name, port, folder, ready, end), daemon=True)
        worker.start()
        try:
            if not ready.wait(30):
                raise TimeoutError(f"{name}: the echo process did not start")
            for size in SIZES:
                times = sorted(round_trips_ms(name, port, size))
                p99 = times[int(0.99 * len(times)) - 1]
                rows.append(
                    Row(f"{name}: echo of {size // 1000} kB, p50", statistics.median(times), "ms",
                        detail=f"p99 {p99:.3f} ms, {len(times)} echoes")
                )  # fmt: skip
        finally:
            end.set()
            worker.join(10)
            worker.terminate()
    return rows


def main() -> int:
    """Measure all transports and print the figures."""
    options = arguments(__doc__).parse_args()
    names = ["zenoh", *(["mqtt"] if find_broker() else [])]
    return report([row for name in names for row in measure(name)], options.json)


if __name__ == "__main__":
    raise SystemExit(main())
