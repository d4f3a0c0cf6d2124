"""OpenFaaS without a cluster: what is started where, and what the programs on nodes are told."""

import json
from pathlib import Path

import pytest

from continuum import config, modules, oci
from continuum.errors import DeployError
from continuum.front import ADDRESS, FRONT
from continuum.module import Workload
from execution_model.openfaas import function, single_node

TEXT = """
[infrastructure]
cloud_nodes = 2
cloud_cores = 2
cloud_memory = 1 GB
endpoint_nodes = 3
endpoint_cores = 1
endpoint_memory = 1 GB
[benchmark]
resource_manager = {manager}
application = video
{more}
[execution_model]
model = openfaas
"""


def arranged(more: str = "") -> dict[str, Workload]:
    read = config.parse(TEXT.format(manager="none", more=more))
    used = modules.load_modules(read)
    found = used.workloads(read, used.topology(read))
    assert [workload.name for workload in found] == ["worker", "gateway", "endpoint"]
    return {workload.name: workload for workload in found}


def test_the_gateways_time_is_a_stage_before_the_queue() -> None:
    used = modules.load_modules(config.parse(TEXT.format(manager="none", more="")))
    assert used.stages == ("preprocess", "uplink", "gateway", "queue", "process", "downlink")
    plain = modules.load_modules(config.parse(TEXT.format(manager="none", more="").partition("[exec")[0]))
    assert plain.stages == ("preprocess", "uplink", "queue", "process", "downlink")


def test_a_worker_is_kept_by_a_watchdog() -> None:
    worker = arranged()["worker"]
    assert worker.argv == (
        *("{python}", "-m", "execution_model.openfaas.function"),
        *("{python}", "-m", "application.video.worker"),
    )
    assert worker.environment["mode"] == "http"
    assert worker.environment["upstream_url"] == "http://127.0.0.1:8000"
    assert json.loads(worker.environment[FRONT]) == {"stage": "gateway", "header": "X-Start-Time"}
    assert json.loads(worker.environment["VIDEO_SETTINGS"])["transport"] == "http"
    assert {"application.video", "execution_model.openfaas"} <= set(worker.code)
    assert len(set(worker.ports)) == 2


def test_each_node_with_a_function_has_a_gateway_and_endpoints_ask_that() -> None:
    found = arranged("max_in_flight = 3")
    gateway, endpoint = found["gateway"], found["endpoint"]
    assert (gateway.tier, gateway.nodes, gateway.serves) == ("cloud", (), True)
    port = found["worker"].environment["port"]
    assert gateway.environment["functions_provider_url"] == f"http://127.0.0.1:{port}/"
    assert endpoint.environment[ADDRESS] == "http://{host}:8080/function/worker"
    settings = json.loads(endpoint.environment["VIDEO_SETTINGS"])
    assert settings["in_flight"] == 3
    assert [server[1] for server in settings["servers"].values()] == ["cloud0", "cloud1", "cloud0"]


def test_a_command_is_said_to_the_watchdog_in_one_line() -> None:
    found = function.environment(["/usr/bin/python3", "-m", "x"], {"mode": "http"})
    assert found == {"mode": "http", "fprocess": "/usr/bin/python3 -m x"}


@pytest.mark.parametrize("word", ["two words", "", "a\tb"])
def test_a_command_that_a_watchdog_would_split_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="blank"):
        function.environment(["/usr/bin/python3", word], {})


def test_programs_are_taken_out_of_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lower = oci.from_files({"/bin/x": b"old", "/bin/other": b"y"}, tmp_path / "layers")
    upper = oci.from_files({"/bin/x": b"#!new"}, tmp_path / "layers")
    archive = tmp_path / "image.tar"
    oci.write(archive, "example.org/x:1", [lower, upper], oci.ImageConfig())
    taken = oci.take(archive, "/bin/x", tmp_path / "kept")
    assert taken.read_bytes() == b"#!new"
    assert taken.stat().st_mode & 0o111
    assert oci.take(archive, "bin/x", tmp_path / "kept") == taken
    with pytest.raises(oci.ArchiveError, match="no file bin/z"):
        oci.take(archive, "bin/z", tmp_path / "kept")


def test_an_image_without_the_program_ends_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "image.tar"
    layer = oci.from_files({"/bin/x": b"x"}, tmp_path / "layers")
    oci.write(archive, "ghcr.io/openfaas/gateway:1", [layer], oci.ImageConfig())
    monkeypatch.setattr("continuum.artifacts.obtain", lambda *_: {"openfaas-gateway": archive})

    class Run:
        config = None
        tell = None

    with pytest.raises(DeployError, match=r"openfaas-gateway.*no file home/app/gateway"):
        single_node.program("gateway", (), Run())  # type: ignore[arg-type]
