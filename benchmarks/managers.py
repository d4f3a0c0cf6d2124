"""KubeEdge and OpenFaaS on containers: whether runs of video are valid, and how long they take.

Artifacts and the image of nodes are cached, as in every run after the first. The Docker daemon is temporary.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import dockerd
from benchmarks import kubernetes_video as cluster
from benchmarks.table import Row, arguments, report

GROUPS = ("cluster", "kubeedge", "openfaas")
COLD_STARTS = 3

NODES = """
[infrastructure]
provider = docker
docker_image = {image}
artifact_dir = {artifacts}
cloud_nodes = {cloud}
cloud_cores = 1
cloud_memory = 2 GB
{edge}
endpoint_nodes = 1
endpoint_cores = 0.5
endpoint_memory = 1 GB
network_emulation = True
wireless_network_preset = 5g
[benchmark]
resource_manager = {manager}
application = video
frequency = 5
duration = 20
[run]
# Two CPUs run a cluster in addition to the links.
tolerance = 2 %, 1 ms
"""
EDGE = "edge_nodes = 1\nedge_cores = 1\nedge_memory = 1 GB"
MODEL = f"[execution_model]\nmodel = openfaas\nopenfaas_cold_starts = {COLD_STARTS}\n"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--artifacts", type=cluster.absolute, help="folder of artifacts; built by default")
    options = parser.parse_args()
    if lack := dockerd.why_not():
        print(f"skipped: {lack}")
        return 0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, dockerd.temporary() as daemon:
        place = Path(folder)
        os.environ |= {"DOCKER_HOST": daemon.url, "XDG_STATE_HOME": f"{place}/state"}
        image = dockerd.provide_image(daemon, dockerd.KUBERNETES, dockerd.KUBERNETES_PACKAGES)
        artifacts = options.artifacts or cluster.built(place / "artifacts", GROUPS)
        values = {"image": image, "artifacts": artifacts}
        kubeedge = NODES.format(manager="kubeedge", cloud=1, edge=EDGE, **values)
        rows += _rows("kubeedge, 1 + 1 + 1 nodes", *cluster.run(place, kubeedge))
        functions = NODES.format(manager="kubernetes", cloud=2, edge="", **values) + MODEL
        rows += _rows("kubernetes with openfaas, 2 + 1 nodes", *cluster.run(place, functions))
    return report(rows, options.json)


def _rows(what: str, seconds: float, result: Mapping[str, Any]) -> Iterator[Row]:
    """The validity of a run, its duration, and its latency by stage."""
    reasons = "; ".join(result["invalid_reasons"])
    yield Row(f"{what}: valid", float(result["valid"]), "", 1, at_most=False, detail=reasons)
    phases = {phase["name"]: phase["seconds"] for phase in result["phases"]}
    detail = ", ".join(f"{name} {took:.1f}" for name, took in phases.items() if took >= 0.5)
    yield Row(f"{what}: command to result", seconds, "s", detail=detail)
    measured = result["benchmark"]
    stages = ", ".join(f"{stage} {one['p50']:.2f}" for stage, one in measured["stages_ms"].items())
    yield Row(f"{what}: end to end, p50", measured["end_to_end_ms"]["p50"], "ms", detail=stages)
    for note in result.get("notes", ()):
        if "scaled from zero" in note:
            print(f"{what}: {note}")


if __name__ == "__main__":
    raise SystemExit(main())
