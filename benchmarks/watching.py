"""Checks that disturbed runs are invalid for the right reason, and measures the cost of watching."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import table
from benchmarks.table import Row
from continuum.network.fabric import ending

CHECKOUT = Path(__file__).resolve().parents[1]
CONFIG = """
[infrastructure]
cloud_nodes = 1
cloud_cores = 2
cloud_memory = 512 MiB
edge_nodes = 2
edge_cores = 1
edge_memory = 512 MiB
edge_quota = 0.4
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 512 MiB
endpoint_quota = 0.2
network_emulation = True
[benchmark]
application = video
frequency = 5
duration = 8 s
"""
FLOOD = """
import os, socket, time
os.fork()
flood, end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic() + 3
while time.monotonic() < end:
    for _ in range(100): flood.sendto(b"x", ("edge1", 9))
"""
DISTURBED_S = 1.5


def kill_engine(run: Path) -> None:
    """Kill the fabric."""
    os.kill(_fabric(run), signal.SIGKILL)


def stop_engine(run: Path) -> None:
    """Stop the fabric for 1.5 s."""
    pid = _fabric(run)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(DISTURBED_S)
    os.kill(pid, signal.SIGCONT)


def change_link(run: Path) -> None:
    """Change a link by hand."""
    _continuum("link", str(run), "endpoint-edge", "--latency", "20ms")


def use_cpu(_run: Path) -> None:
    """Compute on every CPU of the host."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    time.sleep(2 * DISTURBED_S)
    for hog in hogs:
        hog.kill()
        hog.wait()


def flood(run: Path) -> None:
    """Send as many small packets as a node with two cores can, for 3 s."""
    _continuum("exec", str(run), "cloud0", "--", sys.executable, "-c", FLOOD)


DISTURBANCES: tuple[tuple[str, Callable[[Path], None], frozenset[str]], ...] = (
    ("fabric killed", kill_engine, frozenset({"engine_dead"})),
    ("fabric stopped for 1.5 s", stop_engine, frozenset({"engine_stalled"})),
    ("link changed by hand", change_link, frozenset({"link_changed"})),
    ("CPU hogs on the host", use_cpu, frozenset({"foreign_cpu"})),
    ("flood of small packets", flood, frozenset({"packets_dropped", "delay", "engine_stalled"})),
)


def _fabric(run: Path) -> int:
    (pid,) = ending.processes(run.name)
    return pid


def _continuum(*words: str) -> None:
    command = [sys.executable, str(CHECKOUT / "continuum.py"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A run whose load has begun, and its folder."""
    config = folder / "watched.cfg"
    config.write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, str(CHECKOUT / "continuum.py"), str(config)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        while "completed" not in (folder / "stderr").read_text() and process.poll() is None:
            time.sleep(0.02)
        yield process, max((folder / "runs").iterdir())
        process.wait()
    finally:
        process.kill()


def run_once(disturb: Callable[[Path], None] | None) -> dict[str, Any]:
    """The result of one run, disturbed after its first answers."""
    with tempfile.TemporaryDirectory() as folder:
        with _started(Path(folder)) as (_, run):
            if disturb is not None:
                with contextlib.suppress(subprocess.CalledProcessError):
                    disturb(run)
        result: dict[str, Any] = json.loads((run / "result.json").read_text())
        return result


def kinds(result: dict[str, Any]) -> set[str]:
    """The kinds of disturbances in a result."""
    return {one["kind"] for one in result["fidelity"]["during"]["disturbances"]}


def main() -> int:
    """Run everything and print the figures."""
    parser = table.arguments(__doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs of each kind")
    options = parser.parse_args()
    rows = []
    for name, disturb, right in DISTURBANCES:
        results = [run_once(disturb) for _ in range(options.runs)]
        hits = sum(bool(kinds(one) & right) and not one["valid"] for one in results)
        seen = ", ".join(sorted({kind for one in results for kind in kinds(one)}))
        rows.append(Row(f"{name}: runs invalid for it", hits, "runs", options.runs, False, seen))
        print(rows[-1].what, hits, "of", options.runs, seen, flush=True)
    quiet = [run_once(None) for _ in range(5 * options.runs)]
    valid = sum(one["valid"] for one in quiet)
    reasons = "; ".join(sorted({reason for one in quiet for reason in one["invalid_reasons"]}))
    rows.append(Row("undisturbed: valid runs", valid, "runs", 0.96 * len(quiet), False, reasons))
    during = [one["fidelity"]["during"] for one in quiet]
    cost = median(100 * one["watching_cpu_s"] / one["seconds"] for one in during)
    rows.append(Row("watching 5 nodes: share of a core", cost, "%", 1.0))
    errors = [link["error_p50_ms"] for one in during for link in one["sentinels"]]
    worst = max(errors, default=None)
    rows.append(Row("undisturbed: median error of sentinels on the worst link", worst, "ms", 0.3))
    return table.report(rows, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
