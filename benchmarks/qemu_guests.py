"""Three TCG-emulated guests: the time to start them in parallel, and the accuracy of a link.

A temporary libvirt daemon without KVM runs the guests. Boots overlap if each guest is started before any is
up. Guests share the CPUs of this machine: if these, or those of a guest, were busy during a flow, its goodput
has no bar.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import libvirtd
from benchmarks.fabric_nodes import both_ways
from benchmarks.fidelity import flow, goodput_row, round_trip_rows, round_trips
from benchmarks.table import Row, arguments, report
from continuum.connection.deployment import Deployment
from continuum.network.engines import open_engine
from continuum.network.verification.agents import Agents
from continuum.pipeline import open_run
from continuum.rundir.run import Run

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, str(CHECKOUT / "continuum.py")]
TIMEOUT_S = 600
GUESTS = 3
BAR_UP_S = 90.0
BAR_OVERLAP_PERCENT = 50.0
BAR_RTT_MS = 2.0

DELAYS_MS = (5, 10, 25, 50)
PROBES, INTERVAL_S = 150, 0.02
BANDWIDTHS_MBIT = (1.0, 10.0, 100.0, 500.0)
FLOW_DELAYS_MS = (0.0, 10.0)

CONFIG = f"""
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {{uri}}
qemu_image = {{image}}
infra_only = True
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 512 MB
endpoint_nodes = {GUESTS - 1}
endpoint_cores = 1
endpoint_memory = 512 MB
[link cloud-endpoint]
latency = 10 ms
jitter = 0 ms
bandwidth = 500 Mbit
"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="steady seconds of each flow")
    options = parser.parse_args()
    if lack := libvirtd.missing_requirement():
        print(f"skipped: {lack}")
        return 0
    rows: list[Row] = []
    with libvirtd.temporary() as (uri, image), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "guests.cfg").write_text(CONFIG.format(uri=uri, image=image), encoding="utf-8")
        start = time.monotonic()
        run = open_run.load(folder / "runs" / _continuum(folder, "up", "guests.cfg").split()[-1])
        up_s = time.monotonic() - start
        try:
            rows += _startup(run, up_s)
            deployment = open_run.deployment(run)
            rows += _round_trips(deployment, run)
            rows += _goodput(deployment, run, options.seconds)
        finally:
            start = time.monotonic()
            _continuum(folder, "down", run.id)
            rows.append(Row(f"{GUESTS} guests: down", time.monotonic() - start, "s"))
    return report(rows, options.json)


def _continuum(folder: Path, *words: str) -> str:
    return subprocess.run(
        [*PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
    ).stdout


def _startup(run: Run, up_s: float) -> Iterator[Row]:
    """Seconds until all guests were up, and the share of that time in which all of them were booting."""
    text = run.log("provision").read_text(encoding="utf-8")
    times = re.findall(r"^(\w+): started after ([\d.]+) s, up after ([\d.]+) s\b", text, re.MULTILINE)
    starts, ups = [float(one[1]) for one in times], [float(one[2]) for one in times]
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    yield Row(f"{len(times)} guests: up", up_s, "s", BAR_UP_S, detail=load)
    together = 100 * (min(ups) - max(starts)) / (max(ups) - min(starts))
    shown = ", ".join(f"{name} {start} to {up} s" for name, start, up in times)
    what = "share of time with all guests booting"
    yield Row(what, together, "%", BAR_OVERLAP_PERCENT, at_most=False, detail=shown)


def _shape(deployment: Deployment, run: Run, delay_ms: float, mbit: float | None) -> None:
    links = both_ways("cloud", "endpoint", latency_ms=delay_ms, bandwidth_mbit=mbit)
    open_engine(deployment.engine).change(deployment, run, links)


def _round_trips(deployment: Deployment, run: Run) -> Iterator[Row]:
    own_ms = deployment.native_delays_ms["cloud", "endpoint"]
    yield Row("round trip of guests without emulation, subtracted", 2 * own_ms, "ms")
    with Agents(deployment, ("cloud0", "endpoint0"), run.directory / "logs") as agents:
        for delay_ms in DELAYS_MS:
            _shape(deployment, run, delay_ms, 100.0)
            wait_s = 0.1 + 2.5 * delay_ms / 1000
            trips = round_trips(
                agents, ["endpoint0"], "cloud0", probes=PROBES, interval_s=INTERVAL_S, wait_s=wait_s
            )
            name = f"2 x {delay_ms} ms"
            yield from round_trip_rows(
                name, 2 * delay_ms, trips, PROBES - 3, bar_p50_ms=BAR_RTT_MS, bar_p99_ms=None
            )


def _goodput(deployment: Deployment, run: Run, seconds: float) -> Iterator[Row]:
    for mbit in BANDWIDTHS_MBIT:
        for delay_ms in FLOW_DELAYS_MS:
            _shape(deployment, run, delay_ms, mbit)
            got = flow(
                deployment,
                run.directory / "logs",
                "cloud0",
                "endpoint0",
                skip_s=1.0 + 100 * delay_ms / 1000,
                steady_s=max(seconds, 10 / mbit),
            )
            yield goodput_row(mbit, delay_ms, got, is_fair=not got.held_up_by)


if __name__ == "__main__":
    raise SystemExit(main())
