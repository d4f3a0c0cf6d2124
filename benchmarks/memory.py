"""Memory of the orchestrator and the fabric with 100 idle nodes.

As proportional set size, which divides shared pages among processes. The memory of nodes is reported
separately.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.startup import config_text
from benchmarks.table import Row, arguments, report

CHECKOUT = Path(__file__).resolve().parent.parent
BAR_MB = 200.0
NODES = 100


def main() -> int:
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nodes.cfg"
        config.write_text(config_text(NODES), encoding="utf-8")
        program = [sys.executable, str(CHECKOUT / "continuum.py")]
        up = subprocess.Popen([*program, "up", str(config)], cwd=folder, stdout=subprocess.PIPE, text=True)
        orchestrator_mb = _peak_mb(up)
        assert up.stdout is not None
        run_id = up.stdout.read().split()[-1]
        try:
            mine = [
                pid
                for pid in map(int, filter(str.isdigit, (p.name for p in Path("/proc").iterdir())))
                if _run_of(pid) == run_id
            ]
            fabric_mb = sum(_pss_mb(pid) for pid in mine if "fabric" in _command(pid))
            nodes_mb = sum(_pss_mb(pid) for pid in mine if "fabric" not in _command(pid))
        finally:
            subprocess.run([*program, "down", run_id], cwd=folder, check=True, timeout=60)
    return report(
        [
            Row("orchestrator (peak resident) and fabric", orchestrator_mb + fabric_mb, "MB", BAR_MB),
            Row("  orchestrator", orchestrator_mb, "MB"),
            Row("  fabric", fabric_mb, "MB"),
            Row(f"{NODES} idle nodes and their supervisor", nodes_mb, "MB"),
        ],
        options.json,
    )


def _peak_mb(process: subprocess.Popen[str]) -> float:
    """Peak resident set size of a process until it ends."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _status_mb(process.pid, "VmHWM"))
        time.sleep(0.01)
    return peak


def _status_mb(pid: int, key: str) -> float:
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _pss_mb(pid: int) -> float:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _run_of(pid: int) -> str:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((entry[14:].decode() for entry in environment if entry.startswith(b"CONTINUUM_RUN=")), "")


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


raise SystemExit(main())
