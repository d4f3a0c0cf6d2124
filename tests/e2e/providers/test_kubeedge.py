"""KubeEdge on containers: a run whose edge goes on serving while it is cut off from the cloud."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from continuum.connection.deployment import Deployment
from continuum.errors import CommandFailed, CommandTimeout
from continuum.pipeline import open_run
from tests.e2e import program
from tests.e2e.providers import dockerd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(900)]

OUTAGE_S = 30
CONFIG = (
    """
[infrastructure]
provider = docker
docker_image = {image}
artifact_dir = {artifacts}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 2 GB
edge_nodes = 1
edge_cores = 1
edge_memory = 1 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
network_emulation = True
cloud_latency_avg = 10
edge_latency_avg = 7
cloud_edge_latency_avg = 10
edge_endpoint_latency_avg = 15
edge_endpoint_latency_var = 0
[benchmark]
resource_manager = kubeedge
shape_management = True
application = video
frequency = 2
duration = 120
request_timeout = 60 s
[run]
"""
    + program.TOLERANCES
    + "\n"
)


def kubectl(deployment: Deployment, *words: str, timeout: float = 60) -> str:
    command = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *words]
    return deployment.connections["cloud0"].run(command, timeout=timeout).stdout


def is_ready(deployment: Deployment) -> bool:
    ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return kubectl(deployment, "get", "node", "edge0", "-o", ready) == "True"


def heard_of(deployment: Deployment) -> float:
    """When the control plane last heard of the edge node, in seconds since 1970."""
    heartbeat = 'jsonpath={.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}'
    told = (
        kubectl(deployment, "get", "node", "edge0", "-o", heartbeat),
        kubectl(
            deployment, "get", "-n", "kube-node-lease", "lease", "edge0", "-o", "jsonpath={.spec.renewTime}"
        ),
    )
    return max(datetime.fromisoformat(one.replace("Z", "+00:00")).timestamp() for one in told)


def cut(directory: Path, loss: int) -> None:
    done = program.run("link", directory, "cloud0-edge0", "--loss", loss, cwd=directory)
    assert done.returncode == 0, done.stderr


def test_the_edge_serves_on_while_it_is_cut_off_from_the_cloud(
    docker_url: str,
    kubernetes_image: str,
    cluster_artifacts: Path,
    kubeedge_artifacts: Path,
    tmp_path: Path,
) -> None:
    config = tmp_path / "kubeedge.cfg"
    config.write_text(CONFIG.format(image=kubernetes_image, artifacts=kubeedge_artifacts))
    with dockerd.no_leaks(docker_url), program.started(config, cwd=tmp_path) as process:
        program.wait_for("completed [1-9]", tmp_path, process, timeout_s=600)
        directory = program.run_directory(tmp_path)
        deployment = open_run.deployment(open_run.load(directory))
        assert is_ready(deployment)
        pods = json.loads(kubectl(deployment, "get", "pods", "-o", "json"))["items"]
        assert [pod["spec"]["nodeName"] for pod in pods] == ["edge0"]
        kubectl(deployment, "logs", pods[0]["metadata"]["name"])

        cut(directory, 100)
        time.sleep(OUTAGE_S)
        with pytest.raises((CommandFailed, CommandTimeout)):  # it must have been cut off
            kubectl(deployment, "logs", pods[0]["metadata"]["name"], timeout=10)
        mended = time.time()
        cut(directory, 0)

        deadline = time.monotonic() + 80
        while not (heard_of(deployment) > mended and is_ready(deployment)):
            assert process.poll() is None, "the run ended before the node was back"
            assert time.monotonic() < deadline, kubectl(deployment, "get", "nodes")
            time.sleep(0.5)
        assert process.wait(200) == 7, (tmp_path / "stderr").read_text()
    result = program.result(tmp_path)
    measured = result["benchmark"]
    # Nothing but the cut itself makes the run invalid.
    assert {one["kind"] for one in result["fidelity"]["during"]["disturbances"]} == {"link_changed"}
    assert all("was changed" in reason for reason in result["invalid_reasons"]), result["invalid_reasons"]
    assert measured["resource_manager"] == "kubeedge"
    assert measured["requests"]["completed"] == measured["requests"]["sent"] == 240
    assert measured["stages_ms"]["uplink"]["p50"] > 14, "its way is not the emulated link"
