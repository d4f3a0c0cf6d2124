"""The quickstart: time from command to report, and whether stages add up to the end-to-end latency."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, arguments, report

CHECKOUT = Path(__file__).resolve().parent.parent
BAR_S = 20.0


def main() -> int:
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        command = [
            sys.executable,
            str(CHECKOUT / "continuum.py"),
            str(CHECKOUT / "configs/quickstart.cfg"),
            "--json",
        ]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False, timeout=300)
        seconds = time.monotonic() - start
        result = json.loads(done.stdout)
        samples = next(Path(folder).glob("runs/*/samples.csv"))
        worst_us, rows = _largest_gap(samples)
    phases = ", ".join(f"{phase['name']} {phase['seconds']:.2f}" for phase in result["phases"])
    return report(
        [
            Row("quickstart, command to finished report", seconds, "s", BAR_S, detail=phases),
            Row("exit status", done.returncode, "", 0),
            Row("stage sums: largest gap to end-to-end", worst_us, "us", 1.0, detail=f"{rows} requests"),
        ],
        options.json,
    )


def _largest_gap(samples: Path) -> tuple[float, int]:
    """Largest difference between the sum of a request's stages and its latency in us; number of requests."""
    worst, rows = 0.0, 0
    with samples.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["outcome"] == "completed":
                rows += 1
                total = float(row["end_to_end_ms"])
                parts = sum(
                    float(value)
                    for name, value in row.items()
                    if name.endswith("_ms") and name != "end_to_end_ms" and value
                )
                worst = max(worst, abs(total - parts) * 1000)
    return worst, rows


raise SystemExit(main())
