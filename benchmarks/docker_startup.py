"""Containers with shaped links, ready for traffic: duration of the commands ``continuum up`` and ``down``.

Also measures the round trip and the goodput of one link. The Docker daemon is temporary.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import dockerd
from benchmarks.table import Row, arguments, report

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, str(CHECKOUT / "continuum.py")]
BARS_S = {30: (6.0, 3.0)}
TIMEOUT_S = 300
RTT_TOLERANCE_MS = 0.3
GOODPUT_TOLERANCE_PERCENT = 5.0

HEAD = """
[infrastructure]
provider = docker
infra_only = True
network_emulation = True
wireless_network_preset = 5g
"""

FIDELITY = """
[infrastructure]
provider = docker
infra_only = True
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 256 MB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MB
[link cloud-endpoint]
latency = {latency_ms} ms
jitter = 0 ms
bandwidth = {mbit} Mbit
"""


def config_text(nodes: int) -> str:
    """A cloud node, nine edge nodes per hundred, and endpoints, on shaped links."""
    edge = 9 * nodes // 100
    tiers = (("cloud", 1), ("edge", edge), ("endpoint", nodes - 1 - edge))
    return HEAD + "".join(
        f"{tier}_nodes = {count}\n{tier}_cores = 1\n{tier}_memory = 64 MB\n" for tier, count in tiers
    )


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=list(BARS_S), help="numbers of nodes")
    parser.add_argument("--repeat", type=int, default=3, help="number of repetitions; the median is reported")
    options = parser.parse_args()
    if lack := dockerd.why_not():
        print(f"skipped: {lack}")
        return 0
    rows: list[Row] = []
    with dockerd.temporary() as daemon:
        os.environ["DOCKER_HOST"] = daemon.url
        for nodes in options.nodes:
            rows += _rows(nodes, [_once(config_text(nodes)) for _ in range(options.repeat)])
        for latency_ms, mbit in ((2, 100), (25, 50)):
            rows += _fidelity(latency_ms, mbit)
    return report(rows, options.json)


def _rows(nodes: int, times: Sequence[tuple[float, float]]) -> Iterator[Row]:
    bars = BARS_S.get(nodes, (None, None))
    for name, values, bar_s in zip(("up", "down"), zip(*times, strict=True), bars, strict=True):
        spread = f"{len(values)} times, {min(values):.2f} to {max(values):.2f}"
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
        yield Row(
            f"docker, {nodes} nodes: {name}",
            statistics.median(values),
            "s",
            bar_s,
            detail=f"{spread}  {load}",
        )


def _once(text: str) -> tuple[float, float]:
    """Seconds to create and to remove the nodes."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nodes.cfg"
        config.write_text(text, encoding="utf-8")
        start = time.monotonic()
        up = _continuum(folder, "up", str(config))
        up_s = time.monotonic() - start
        run_id = up.stdout.split()[-1]
        start = time.monotonic()
        _continuum(folder, "down", run_id)
        return up_s, time.monotonic() - start


def _continuum(folder: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
    )


def _fidelity(latency_ms: float, mbit: float) -> Iterator[Row]:
    """The error of a link as measured by its run."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "link.cfg"
        config.write_text(FIDELITY.format(latency_ms=latency_ms, mbit=mbit), encoding="utf-8")
        done = subprocess.run(
            [*PROGRAM, str(config), "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            check=False,
            timeout=TIMEOUT_S,
        )
        link = json.loads(done.stdout)["network"][0]
    configured, measured = link["configured"], link["measured"]
    what = f"docker, 2 x {latency_ms} ms, {mbit} Mbit/s"
    expected_ms = configured.get("rtt_ms") or 2 * latency_ms
    error_ms = abs(measured["rtt_ms"] - expected_ms)
    yield Row(f"{what}: RTT error", error_ms, "ms", max(RTT_TOLERANCE_MS, 0.01 * expected_ms))
    error_percent = 100 * abs(measured["throughput_mbit"] / mbit - 1)
    yield Row(f"{what}: throughput error", error_percent, "%", GOODPUT_TOLERANCE_PERCENT)


raise SystemExit(main())
