"""Delivery of the application video's worker to nodes of one kind: build, copy, install.

To containers of a temporary Docker daemon, and over ssh to folders of this machine. The cache is empty at
first, so the first node includes the download from the package index. Also reports the first node of a later
run, for which everything is cached.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import dockerd
from benchmarks.table import Row, arguments, report
from continuum.connection.deployment import Deployment
from continuum.connection.ssh.connection import SshConnection
from continuum.model.node import Node
from continuum.model.topology import NodeSpec, Topology
from continuum.model.workload import Workload
from continuum.pipeline import open_run
from continuum.software.packages import deliver
from continuum.software.packages.deliver import Installed
from tests.e2e import sshd

PROGRAM = [sys.executable, str(Path(__file__).resolve().parent.parent / "continuum.py")]
PYTHON = "/usr/bin/python3"
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
edge_nodes = 3
edge_cores = 1
edge_memory = 512 MB
"""


def main() -> int:
    options = arguments(__doc__).parse_args()
    rows: list[Row] = []
    for name, lack, measure in (("docker", dockerd.why_not(), _docker), ("ssh", sshd.WHY_NOT, _ssh)):
        if lack:
            print(f"{name} skipped: {lack}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows += _rows(name, measure(Path(folder)))
    return report(rows, options.json)


def _docker(folder: Path) -> list[Installed]:
    config = folder / "three.cfg"
    config.write_text(CONFIG, encoding="utf-8")
    with dockerd.temporary() as daemon, _environment(DOCKER_HOST=daemon.url, XDG_CACHE_HOME=str(folder)):
        up = subprocess.run([*PROGRAM, "up", "-q", str(config)], cwd=folder, capture_output=True, check=True)
        directory = folder / "runs" / up.stdout.decode().split()[-1]
        try:
            return _placed(open_run.deployment(open_run.load(directory)))
        finally:
            subprocess.run([*PROGRAM, "down", str(directory)], cwd=folder, check=True, capture_output=True)


def _ssh(folder: Path) -> list[Installed]:
    nodes, connections = [], {}
    for index in range(3):
        name, place = f"edge{index}", folder / f"edge{index}"
        place.mkdir()
        # The host's file system, with a private folder for the node.
        mounts = (
            "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/continuum"
            f" && mount --bind {place} /var/lib/continuum"
        )
        enter = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        host = sshd.make(folder / f"host{index}", name, enter)
        connections[name] = SshConnection(host.target(name))
        nodes.append(Node(NodeSpec(name, "edge", index, 1, 512), "10.0.0.1", python=PYTHON))
    try:
        with _environment(XDG_CACHE_HOME=str(folder / "cache")):
            return _placed(Deployment(Topology((), (), ()), tuple(nodes), connections))
    finally:
        for connection in connections.values():
            connection.close()


def _placed(deployment: Deployment) -> list[Installed]:
    """The first node, the second, a third as the first of a later run, and the third again."""
    first, second, third = deployment.nodes
    return [
        deliver.prepare(WORKLOAD, [node], deployment)[node.name] for node in (first, second, third, third)
    ]


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _rows(name: str, placed: Sequence[Installed]) -> Iterator[Row]:
    first, second, warm, again = placed
    # Includes the build time of the second node, which is a lookup in the cache.
    first_s, second_s, cached_s = (one.build_s + one.copy_s + one.install_s for one in (first, second, warm))
    yield Row(f"{name}: first node: build, copy and install", first_s, "s", detail=_parts(first))
    yield Row(f"{name}: second node of the same kind", second_s, "s", detail=_parts(second))
    yield Row(f"{name}: second relative to the first", second_s / first_s, "", BAR)
    yield Row(f"{name}: first node of a later run", cached_s, "s", detail=_parts(warm))
    yield Row(f"{name}: copied again to a node that has it", again.copied_bytes, "bytes", 0)


def _parts(placed: Installed) -> str:
    parts = {name: round(getattr(placed, name), 2) for name in ("build_s", "copy_s", "install_s")}
    return json.dumps({**parts, "copied_mb": round(placed.copied_bytes / 2**20)})


raise SystemExit(main())
