"""Bringing the video benchmark's worker to two nodes of one kind: build, copy, install.

Both are containers of a Docker daemon of its own; the cache of wheels is empty at the beginning, so that the
first node pays for the download from the package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import dockerd
from table import Row, arguments, report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from continuum import attach
from continuum import rundir as runs
from continuum.module import Workload
from continuum.packages import deliver

PROGRAM = [sys.executable, str(Path(__file__).resolve().parent.parent / "continuum.py")]
BAR = 0.5
WORKLOAD = Workload(
    "worker",
    "edge",
    ("{python}",),
    requirements=("numpy", "opencv-python-headless", "onnxruntime", "eclipse-zenoh"),
    code=("application.video",),
)
CONFIG = """
[infrastructure]
provider = docker
infra_only = True
edge_nodes = 2
edge_cores = 1
edge_memory = 512 MB
"""


def main() -> int:
    options = arguments(__doc__).parse_args()
    if lack := dockerd.why_not():
        print(f"skipped: {lack}")
        return 0
    with tempfile.TemporaryDirectory() as folder, dockerd.temporary() as daemon:
        os.environ["DOCKER_HOST"] = daemon.url
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        first, second, again = _measure(Path(folder))
    return report(list(_rows(first, second, again)), options.json)


def _measure(folder: Path) -> tuple[Any, Any, Any]:
    config = folder / "two.cfg"
    config.write_text(CONFIG, encoding="utf-8")
    up = subprocess.run([*PROGRAM, "up", "-q", str(config)], cwd=folder, capture_output=True, check=True)
    directory = folder / "runs" / up.stdout.decode().split()[-1]
    try:
        deployment = attach.deployment(runs.load(directory))
        nodes = deployment.nodes
        placed = [deliver.prepare(WORKLOAD, [node], deployment)[node.name] for node in (*nodes, nodes[1])]
    finally:
        subprocess.run([*PROGRAM, "down", str(directory)], cwd=folder, check=True, capture_output=True)
    return placed[0], placed[1], placed[2]


def _rows(first: Any, second: Any, again: Any) -> Iterator[Row]:
    # What building cost the second node is a look into the cache; it counts, too.
    whole, rest = (one.build_s + one.copy_s + one.install_s for one in (first, second))
    yield Row("first node: build, copy and install", whole, "s", detail=_parts(first))
    yield Row("second node of the same kind", rest, "s", detail=_parts(second))
    yield Row("second in parts of the first", rest / whole, "", BAR)
    yield Row("copied again to a node that has it", again.copied_bytes, "bytes", 0)


def _parts(placed: Any) -> str:
    parts = {name: round(getattr(placed, name), 2) for name in ("build_s", "copy_s", "install_s")}
    return json.dumps({**parts, "copied_mb": round(placed.copied_bytes / 2**20)})


raise SystemExit(main())
