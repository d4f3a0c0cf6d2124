"""How Kubernetes' control plane scales with simulated nodes and with real pods on one worker.

Each figure is from a new cluster of a control plane and a worker, as containers of a temporary Docker daemon.
Artifacts and the image of nodes are cached. Everything shares this machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import dockerd
from benchmarks import kubernetes_video as cluster
from benchmarks.table import Row, arguments, report

NODES, PODS = (0, 10, 100, 500, 1000), (1, 10, 50, 100)
TIMEOUT_S = 1800

CONFIG = """
[infrastructure]
provider = docker
docker_image = {image}
artifact_dir = {artifacts}
cloud_nodes = 2
cloud_cores = 2
cloud_memory = 6 GB
[benchmark]
resource_manager = kubecontrol
application = empty
kube_deployment = {way}
applications_per_worker = {pods}
sleep_time = {sleep_s} s
kwok = {nodes}
[run]
# A kubelet reports a hundred containers that end together slowly.
timeout = 240 s
# Links are not measured here, and their nodes are busy.
tolerance = 2 %, 1 ms
"""
SLEEP_S = 20
STEPS = ("scheduled", "sandbox", "image", "started", "ready")
SERVER, SCHEDULER = "API server", "scheduler"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--artifacts", type=cluster.absolute, help="folder of artifacts; built by default")
    parser.add_argument("--nodes", type=_numbers, default=NODES, help="numbers of simulated nodes")
    parser.add_argument("--pods", type=_numbers, default=PODS, help="numbers of real pods on the worker")
    parser.add_argument("--way", default="pod", help="how pods are created, as in kube_deployment")
    parser.add_argument("--keep", type=cluster.absolute, help="folder to keep the runs in")
    options = parser.parse_args()
    if lack := dockerd.why_not():
        print(f"skipped: {lack}")
        return 0
    with tempfile.TemporaryDirectory() as folder, dockerd.temporary() as daemon:
        place = options.keep or Path(folder)
        os.environ |= {"DOCKER_HOST": daemon.url, "XDG_STATE_HOME": f"{folder}/state"}
        image = dockerd.provide_image(daemon, dockerd.KUBERNETES, dockerd.KUBERNETES_PACKAGES)
        artifacts = options.artifacts or cluster.built(Path(folder) / "artifacts", ("cluster", "kwok"))
        given = {"image": image, "artifacts": artifacts, "way": options.way, "sleep_s": SLEEP_S}
        rows: list[Row] = []
        for nodes in options.nodes:
            rows += _of_nodes(nodes, _run(place, {**given, "nodes": nodes, "pods": 1}))
        for pods in options.pods:
            rows += _of_pods(pods, _run(place, {**given, "nodes": 0, "pods": pods}))
    return report(rows, options.json)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(",") if word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers; write e.g. 0,100") from None


def _run(folder: Path, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of one run."""
    folder.mkdir(parents=True, exist_ok=True)
    _, result = cluster.run(folder, CONFIG.format(**values), TIMEOUT_S)
    return result


def _of_nodes(count: int, result: Mapping[str, Any]) -> Iterator[Row]:
    """Figures with simulated nodes; without any, those of the worker's pod."""
    what = f"{count:>4} nodes"
    steps = {one["step"]: one["seconds"] for one in result["installation"]}
    valid = "valid" if result["valid"] else f"INVALID: {'; '.join(result['invalid_reasons'])}"
    peak_mb = next((node["memory_peak_mb"] for node in result["nodes"] if node["name"] == "cloud0"), None)
    if count:
        ready_s = steps.get(f"{count} simulated nodes")
        yield Row(f"{what}: created and Ready", ready_s, "s", detail=valid)
    yield Row(f"{what}: memory of the control plane, peak", peak_mb, "MiB", detail="" if count else valid)
    timeline = result.get("simulated") or result.get("lifecycle")
    yield from _timeline(what, timeline, ("scheduled", "ready"))
    for part, requests in ((SERVER, ("GET", "LIST", "POST")), (SCHEDULER, None)):
        yield from _latencies(what, result["manager_latency"], part, requests)
    yield from _latencies(what, result["manager_latency"], "API, asked from here", None)


def _of_pods(count: int, result: Mapping[str, Any]) -> Iterator[Row]:
    what = f"{count:>4} pods"
    valid = "valid" if result["valid"] else f"INVALID: {'; '.join(result['invalid_reasons'])}"
    timeline = result["lifecycle"]
    yield Row(f"{what}: all ready after", _seconds(timeline, "ready"), "s", detail=valid)
    yield from _timeline(what, timeline, STEPS)
    late = (result["benchmark"] or {}).get("lateness_ms") or {}
    yield Row(f"{what}: started to sleep late by, p50", late.get("p50"), "ms", detail=_tail(late, ""))


def _seconds(timeline: Mapping[str, Any] | None, stage: str) -> float | None:
    after_ms = ((timeline or {}).get("all_ms") or {}).get(stage)
    return None if after_ms is None else after_ms / 1000


def _timeline(what: str, timeline: Mapping[str, Any] | None, stages: Sequence[str]) -> Iterator[Row]:
    for stage in stages:
        summary = ((timeline or {}).get("since_created_ms") or {}).get(stage)
        if summary:
            reached = f"{timeline['reached'][stage]} of {timeline['instances']}" if timeline else ""
            detail = ", ".join(part for part in (_tail(summary, ""), reached) if part)
            yield Row(f"{what}: created to {stage}, p50", summary["p50"], "ms", detail=detail)


def _latencies(
    what: str, rows: Sequence[Mapping[str, Any]], part: str, requests: Sequence[str] | None
) -> Iterator[Row]:
    for row in rows:
        if row["part"] == part and not row["resource"] and (requests is None or row["request"] in requests):
            detail = f"{_tail(row, '_ms')}, {row['count']} in all{', estimated' if row['estimated'] else ''}"
            yield Row(f"{what}: {part}: {row['request']}, p50", row["p50_ms"], "ms", detail=detail)


def _tail(summary: Mapping[str, Any], unit: str) -> str:
    """The tail of a distribution, as text."""
    known = ((name, summary.get(f"{name}{unit}")) for name in ("p99", "max"))
    return ", ".join(f"{name} {value:.4g}" for name, value in known if value is not None)


if __name__ == "__main__":
    raise SystemExit(main())
