"""Run every benchmark and print all their tables: ``python -m benchmarks [NAME...]``.

Each script can be run alone as well, prints its bars beside what it measured, and with ``--json PATH`` writes
both. The status is 1 when a bar was missed.
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
    "fabric_throughput",
    "quickstart",
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
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; every one gets its turn whatever the others said."""
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    missed = []
    for name in names or ALL:
        print(f"== {name}", flush=True)
        command = [sys.executable, str(FOLDER / f"{name}.py"), "--json", str(results / f"{name}.json")]
        if subprocess.run(command, check=False, cwd=FOLDER.parent).returncode:
            missed.append(name)
    print(f"bars missed in: {', '.join(missed)}" if missed else "all bars met")
    return 1 if missed else 0


raise SystemExit(main(sys.argv[1:]))
