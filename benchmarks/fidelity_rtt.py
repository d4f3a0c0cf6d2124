"""Round trips against configured one-way delays of 1-200 ms with 20 nodes, on an idle and on a busy machine.

Nineteen endpoints probe one cloud node by UDP. Arrival times are from the kernel, and the time of the echo is
not included, so a round trip is what ``ping`` would show. The bars apply to the idle machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.fabric_nodes import BareNetwork, both_ways
from benchmarks.fidelity import round_trip_rows, round_trips
from benchmarks.table import Row, arguments, report
from continuum.network.verification.agents import Agents

DELAYS_MS = (1, 2, 5, 10, 20, 50, 100, 200)
NODES = 20
PROBES = 100
INTERVAL_S = 0.02
BAR_P99_MS = 1.0


def main() -> int:
    options = arguments(__doc__).parse_args()
    rows: list[Row] = []
    names = {"cloud0": "cloud", **{f"endpoint{i}": "endpoint" for i in range(NODES - 1)}}
    with BareNetwork(names) as net:
        deployment = net.deployment(*both_ways("cloud", "endpoint"))
        with Agents(deployment, names, net.directory) as agents:
            for is_busy in (False, True):
                with _load(is_busy):
                    for delay_ms in DELAYS_MS:
                        net.shape(*both_ways("cloud", "endpoint", latency_ms=delay_ms))
                        rows += _rows(agents, delay_ms, is_busy)
        lateness = net.client.stats()["lateness"]
    print(
        f"deliveries behind schedule: mean {lateness['mean_ms']:.3f} ms, worst {lateness['worst_ms']:.2f} ms"
    )
    return report(rows, options.json)


def _rows(agents: Agents, delay_ms: float, is_busy: bool) -> Iterator[Row]:
    endpoints = [f"endpoint{i}" for i in range(NODES - 1)]
    wait_s = 0.1 + 2.5 * delay_ms / 1000
    trips = round_trips(agents, endpoints, "cloud0", probes=PROBES, interval_s=INTERVAL_S, wait_s=wait_s)
    expected_ms = 2 * delay_ms
    yield from round_trip_rows(
        f"2 x {delay_ms} ms{', cores busy' if is_busy else ''}",
        expected_ms,
        trips,
        (NODES - 1) * (PROBES - 3),
        bar_p50_ms=None if is_busy else max(0.01 * expected_ms, 0.3),
        bar_p99_ms=None if is_busy else BAR_P99_MS,
    )


@contextmanager
def _load(is_busy: bool) -> Iterator[None]:
    """Keep every core busy, if ``is_busy``."""
    cores = len(os.sched_getaffinity(0)) if is_busy else 0
    spin = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    burners = [subprocess.Popen(spin) for _ in range(cores)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


if __name__ == "__main__":
    raise SystemExit(main())
