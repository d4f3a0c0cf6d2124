"""Duration of a playbook on five nodes: the first run, which installs, and a re-run, which changes nothing.

The playbook is that of the resource manager mist, with one package in ``artifact_dir`` if this host has
``dpkg-deb`` to build it. Nodes are of the provider ``local`` and need no internet access.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.table import Row, arguments, report
from continuum.pipeline import open_run
from continuum.software import playbooks

CHECKOUT = Path(__file__).resolve().parent.parent
PLAYBOOK = CHECKOUT / "resource_manager" / "mist" / "playbooks" / "install.yml"
NODES = 5
BAR_S = 10.0
PACKAGE = "continuum-benchmark"
CONFIG = f"""
[infrastructure]
provider = local
infra_only = True
artifact_dir = .
edge_nodes = {NODES}
edge_cores = 1
edge_memory = 512 MiB
"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="number of re-runs; the median is reported")
    options = parser.parse_args()
    if lack := playbooks.missing_requirement():
        raise SystemExit(lack)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = _make_package(folder)
        (folder / "nodes.cfg").write_text(CONFIG, encoding="utf-8")
        program = [sys.executable, str(CHECKOUT / "continuum.py")]
        up = subprocess.run(
            [*program, "up", "nodes.cfg"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        try:
            first, again = _play(folder / "runs" / up.stdout.split()[-1], packages, options.repeat)
        finally:
            subprocess.run([*program, "down", up.stdout.split()[-1]], cwd=folder, check=True, timeout=60)
    spread = f"{len(again)} times, {min(again):.1f} to {max(again):.1f}, load {os.getloadavg()[0]:.1f}"
    installs = f"installs {', '.join(packages)}" if packages else "without a package"
    return report(
        [
            Row(f"playbook on {NODES} nodes, first run", first, "s", detail=installs),
            Row(f"playbook on {NODES} nodes, re-run", statistics.median(again), "s", BAR_S, detail=spread),
        ],
        options.json,
    )


def _play(directory: Path, packages: list[str], repeat: int) -> tuple[float, list[float]]:
    """Seconds of the first run and of the re-runs."""
    run = open_run.load(directory)
    deployment = open_run.deployment(run)
    variables = {"mist_packages": packages}
    first = playbooks.play(PLAYBOOK, deployment, run, variables=variables)
    if set(first.changed) != {node.name for node in deployment.nodes}:
        raise SystemExit(f"the first run changed only {dict(first.changed)}")
    again = []
    for _ in range(repeat):
        played = playbooks.play(PLAYBOOK, deployment, run, variables=variables)
        if played.changed:
            raise SystemExit(f"a re-run changed something: {dict(played.changed)}")
        again.append(played.seconds)
    return first.seconds, again


def _make_package(folder: Path) -> list[str]:
    """Build a package with one empty file; returns no name if this host cannot build packages."""
    if shutil.which("dpkg-deb") is None:
        return []
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
        "Description: nothing\n"
    )
    (tree / "opt").mkdir()
    (tree / "opt" / PACKAGE).touch()
    build = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(folder / f"{PACKAGE}.deb")]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return [PACKAGE]


raise SystemExit(main())
