"""Kubernetes on TCG-emulated guests: the duration of each step, from the command to the result.

First a control plane and a worker with a pod that sleeps, then an additional endpoint whose video the worker
classifies. Artifacts and the image of guests are cached, as in every run after the first. A temporary libvirt
daemon without KVM runs the guests.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import libvirtd
from benchmarks.kubernetes_video import absolute, built, run
from benchmarks.table import Row, arguments, report

TIMEOUT_S = 3600

CLUSTER = """
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
qemu_boot_timeout = 15 min
artifact_dir = {artifacts}
cloud_nodes = 2
cloud_cores = 2
cloud_memory = 2 GB
"""
EMPTY = """
[benchmark]
resource_manager = kubernetes
application = empty
sleep_time = 5 s
[run]
tolerance = 30 %, 50 ms
"""
VIDEO = """
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
network_emulation = True
wireless_network_preset = 4g
[link cloud-cloud]
bandwidth = 20 Mbit
[benchmark]
resource_manager = kubernetes
cache_worker = True
application = video
application_worker_cpu = 0.8
frequency = 0.04
duration = 75 s
request_timeout = 3 min
[run]
warmup = 25 s
tolerance = 30 %, 50 ms
"""
VARIANTS = {"2 guests, empty": EMPTY, "3 guests, video": VIDEO}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--artifacts", type=absolute, help="folder of artifacts; built by default")
    options = parser.parse_args()
    if lack := libvirtd.missing_requirement():
        print(f"skipped: {lack}")
        return 0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = libvirtd.provide_image_with(libvirtd.KUBERNETES_PACKAGES)
        artifacts = options.artifacts or built(folder / "artifacts")
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        with libvirtd.daemon(folder / "daemon") as uri:
            cluster = CLUSTER.format(uri=uri, image=image, artifacts=artifacts)
            for variant, more in VARIANTS.items():
                total_s, result = run(folder, cluster + more, TIMEOUT_S)
                rows += _rows(variant, total_s, result)
    return report(rows, options.json)


def _rows(variant: str, total_s: float, result: Mapping[str, Any]) -> Iterator[Row]:
    valid = "valid" if result["valid"] else f"INVALID: {'; '.join(result['invalid_reasons'])}"
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    whole = f"{variant}: command to result"
    if not result["benchmark"]:
        yield Row(whole, None, "s", TIMEOUT_S, detail=f"did not finish: {valid}")
        return
    requests = result["benchmark"]["requests"]
    answered = f"{requests['completed']} of {requests['sent']} requests answered"
    yield Row(whole, total_s, "s", TIMEOUT_S, detail=f"{valid}; {answered}; {load}")
    phases = {phase["name"]: phase["seconds"] for phase in result["phases"]}
    detail = ", ".join(f"{name} {seconds:.0f}" for name, seconds in phases.items() if seconds >= 1)
    yield Row(f"{variant}: guests up", phases["provision"], "s", detail=detail)
    steps = ", ".join(f"{one['step']} {one['seconds']:.0f}" for one in result["installation"])
    yield Row(f"{variant}: cluster Ready after", phases["install"], "s", detail=steps)
    if stages := result["benchmark"].get("stages_ms"):
        shown = ", ".join(f"{name} {stage['p50']:.0f}" for name, stage in stages.items())
        whole_ms = result["benchmark"]["end_to_end_ms"]["p50"]
        yield Row(f"{variant}: one request, p50", whole_ms, "ms", detail=shown)


if __name__ == "__main__":
    raise SystemExit(main())
