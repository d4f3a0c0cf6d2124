"""Kubernetes on containers: the time from the command to the result, and the latency it adds to video.

One control plane, two workers and two endpoints; then the same workers and endpoints without a resource
manager. Artifacts and the image of nodes are cached, as in every run after the first. The Docker daemon is
temporary.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import dockerd
from benchmarks.table import Row, arguments, report

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, str(CHECKOUT / "continuum.py")]
TOTAL_BAR_S, READY_BAR_S = 180.0, 90.0
TIMEOUT_S = 900

CONFIG = """
[infrastructure]
provider = docker
docker_image = {image}
artifact_dir = {artifacts}
cloud_nodes = {cloud}
cloud_cores = 1
cloud_memory = 2 GB
endpoint_nodes = 2
endpoint_cores = 0.5
endpoint_memory = 1 GB
network_emulation = True
wireless_network_preset = 5g
[benchmark]
resource_manager = {manager}
application = video
application_worker_cpu = 0.5
frequency = 5
duration = 20
"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--artifacts", type=absolute, help="folder of artifacts; built by default")
    options = parser.parse_args()
    if lack := dockerd.why_not():
        print(f"skipped: {lack}")
        return 0
    with tempfile.TemporaryDirectory() as folder, dockerd.temporary() as daemon:
        place = Path(folder)
        os.environ |= {"DOCKER_HOST": daemon.url, "XDG_STATE_HOME": f"{place}/state"}
        image = dockerd.provide_image(daemon, dockerd.KUBERNETES, dockerd.KUBERNETES_PACKAGES)
        values = {"image": image, "artifacts": options.artifacts or built(place / "artifacts")}
        run(place, CONFIG.format(manager="kubernetes", cloud=3, **values))  # fills the caches
        total_s, managed = run(place, CONFIG.format(manager="kubernetes", cloud=3, **values))
        _, plain = run(place, CONFIG.format(manager="none", cloud=2, **values))
    return report([*_times(total_s, managed), *_added(managed, plain)], options.json)


def absolute(text: str) -> Path:
    """The absolute path of a folder given on the command line, for configs in another folder."""
    return Path(text).resolve()


def built(folder: Path, groups: Sequence[str] = ()) -> Path:
    """A folder with the artifacts of some groups; of a cluster by default."""
    from tests.e2e import components

    return components.provide(folder, groups)


def run(folder: Path, text: str, timeout_s: float = TIMEOUT_S) -> tuple[float, Mapping[str, Any]]:
    """The duration of a run in seconds, and its result."""
    config = folder / "kubernetes.cfg"
    config.write_text(text)
    begin = time.monotonic()
    command = [*PROGRAM, "-q", str(config)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    seconds = time.monotonic() - begin
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    newest = max((folder / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return seconds, json.loads((newest / "result.json").read_text())


def _times(total_s: float, result: Mapping[str, Any]) -> Iterator[Row]:
    phases = {phase["name"]: phase["seconds"] for phase in result["phases"]}
    detail = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items() if seconds >= 0.5)
    valid = "valid" if result["valid"] else f"INVALID: {'; '.join(result['invalid_reasons'])}"
    yield Row("command to result, 1 + 2 + 2 nodes", total_s, "s", TOTAL_BAR_S, detail=f"{valid}; {detail}")
    ready_s = phases["provision"] + phases["install"]
    steps = ", ".join(f"{one['step']} {one['seconds']:.1f}" for one in result["installation"])
    yield Row("cluster Ready, nodes included", ready_s, "s", READY_BAR_S, detail=steps)


def _added(managed: Mapping[str, Any], plain: Mapping[str, Any]) -> Iterator[Row]:
    """The latency that Kubernetes adds to the median of each stage."""
    stages = {**managed["benchmark"]["stages_ms"], "end to end": managed["benchmark"]["end_to_end_ms"]}
    others = {**plain["benchmark"]["stages_ms"], "end to end": plain["benchmark"]["end_to_end_ms"]}
    for stage, summary in stages.items():
        mine, theirs = summary["p50"], others[stage]["p50"]
        detail = f"{mine:.2f} ms against {theirs:.2f} ms without a resource manager"
        yield Row(f"added to {stage}, p50", mine - theirs, "ms", detail=detail)


if __name__ == "__main__":
    raise SystemExit(main())
