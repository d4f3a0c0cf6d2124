"""KWOK, KubeEdge and OpenFaaS as tests install them: each starts and does what it is for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import components
from tests.e2e.components import trial

pytestmark = [pytest.mark.providers, pytest.mark.root]

NATS = {"faas_nats_address": "127.0.0.1", "faas_nats_port": "4222"}
_PROVIDER = """\
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        size = int(self.rfile.readline(), 16)  # the gateway sends in chunks
        print("called with", self.rfile.read(size), self.path, flush=True)
        self.send_response(200)
        self.end_headers()
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")
http.server.HTTPServer(("127.0.0.1", 8081), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def unpacked(artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> trial.Unpacked:
    """The artifacts that tests ask for beside it."""
    return trial.Unpacked(artifact_folder, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture
def plane(cluster_artifacts: Path, unpacked: trial.Unpacked, tmp_path: Path) -> Iterator[trial.ControlPlane]:
    """An API server."""
    with trial.control_plane(unpacked, tmp_path) as made:
        yield made


def test_kwok_makes_a_node_ready(
    kwok_artifacts: Path, unpacked: trial.Unpacked, plane: trial.ControlPlane, tmp_path: Path
) -> None:
    kwok = unpacked.program("kwok")
    assert components.known("kwok").version.lstrip("v") in trial.HERE.run([kwok, "--version"])
    argv = [kwok, f"--kubeconfig={plane.kubeconfig}", "--manage-all-nodes", "--node-ip=192.0.2.9"]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "simulated"}}
    with plane.network.daemon(argv, tmp_path / "kwok.log") as log:
        plane.kubectl("create", "--filename=-", stdin=json.dumps(node))
        trial.eventually(lambda: plane.kubectl("get", "nodes"), " Ready ", log)


def test_keadm_says_the_version_that_is_pinned(kubeedge_artifacts: Path, unpacked: trial.Unpacked) -> None:
    assert components.known("keadm").version in trial.HERE.run([unpacked.program("keadm"), "version"])


def test_edgecore_starts_with_its_database(
    kubeedge_artifacts: Path, unpacked: trial.Unpacked, tmp_path: Path
) -> None:
    parts = ("edged", "edgeHub", "eventBus", "deviceTwin", "serviceBus")
    settings = {
        "apiVersion": "edgecore.config.kubeedge.io/v1alpha2",
        "kind": "EdgeCore",
        "database": {"dataSource": str(tmp_path / "edge.db")},
        "modules": {part: {"enable": False} for part in parts},
    }
    (tmp_path / "edgecore.yaml").write_text(json.dumps(settings))
    argv = [unpacked.program("edgecore"), f"--config={tmp_path / 'edgecore.yaml'}"]
    anywhere = {**os.environ, "CHECK_EDGECORE_ENVIRONMENT": "false"}
    with trial.network() as space, space.daemon(argv, tmp_path / "edgecore.log", anywhere) as log:
        trial.eventually(log.read_text, f"Version: {components.known('edgecore').version}", log)
        trial.eventually(log.read_text, "create table `meta`", log)


def test_cloudcore_starts_with_nothing_around_it(kubeedge_artifacts: Path, unpacked: trial.Unpacked) -> None:
    root = str(unpacked.root("cloudcore"))
    assert "kind: CloudCore" in trial.HERE.run(["chroot", root, "cloudcore", "--minconfig"])
    assert "1." in trial.HERE.run(["chroot", root, "iptables", "--version"])


def test_faas_netes_deploys_into_the_cluster(
    openfaas_artifacts: Path, unpacked: trial.Unpacked, plane: trial.ControlPlane, tmp_path: Path
) -> None:
    plane.kubectl("create", "namespace", "openfaas-fn")
    argv = [unpacked.root("faas-netes") / "faas-netes", f"-kubeconfig={plane.kubeconfig}"]
    settings = {**os.environ, "port": "8081", "function_namespace": "openfaas-fn", "basic_auth": "false"}
    functions = "http://127.0.0.1:8081/system/functions"
    with plane.network.daemon(argv, tmp_path / "netes.log", settings) as log:
        trial.eventually(lambda: plane.network.ask(functions), "[]", log)
        plane.network.ask(functions, json.dumps({"service": "echo", "image": "example.org/echo:1"}))
        trial.eventually(lambda: plane.network.ask(functions), "example.org/echo:1", log)
        assert "deployment.apps/echo" in plane.kubectl("get", "deployments", "-A", "--output=name")


def test_a_call_passes_gateway_queue_and_worker(
    openfaas_artifacts: Path, unpacked: trial.Unpacked, tmp_path: Path
) -> None:
    def program(name: str) -> Path:
        return unpacked.root(name) / name

    gateway = {**os.environ, **NATS, "functions_provider_url": "http://127.0.0.1:8081/"}
    worker = {**os.environ, **NATS, "faas_gateway_address": "127.0.0.1", "gateway_invoke": "true"}
    nats = [program("nats-streaming"), "--cluster_id=faas-cluster", "--addr=127.0.0.1"]
    with trial.network() as space, space.daemon(nats, tmp_path / "nats.log") as queue:
        trial.eventually(queue.read_text, "Streaming Server is ready", queue)
        with (
            space.daemon([sys.executable, "-c", _PROVIDER], tmp_path / "provider.log") as called,
            space.daemon([program("gateway")], tmp_path / "gateway.log", gateway) as log,
            space.daemon([program("queue-worker")], tmp_path / "worker.log", worker) as waiting,
        ):
            trial.eventually(lambda: space.ask("http://127.0.0.1:8080/system/functions"), "[]", log)
            space.ask("http://127.0.0.1:8080/async-function/echo", "a frame")
            trial.eventually(called.read_text, "called with b'a frame' /function/echo", waiting)
