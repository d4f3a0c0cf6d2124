"""Run every benchmark and print all their tables: ``python -m benchmarks [NAME...]``.

Each benchmark can also be run alone (``python -m benchmarks.startup``). It prints its figures with their
bars, and writes them to a file with ``--json PATH``. The exit status is 1 if a bar was missed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ALL = (
    "startup",
    "fidelity_rtt",
    "fidelity_goodput",
    "fidelity_jitter",
    "fabric_throughput",
    "quickstart",
    "claims",
    "memory",
    "video_transport",
    "playbooks",
    "docker_startup",
    "qemu_guests",
    "packages",
    "images",
    "kubernetes_video",
    "kubernetes_guests",
    "kubecontrol_scale",
    "managers",
    "kills",
    "watching",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all of them; a failure does not stop the others."""
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    missed = []
    for name in names or ALL:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(results / f"{name}.json")]
        if subprocess.run(command, check=False, cwd=FOLDER.parent).returncode:
            missed.append(name)
    print(f"bars missed in: {', '.join(missed)}" if missed else "all bars met")
    return 1 if missed else 0


raise SystemExit(main(sys.argv[1:]))
