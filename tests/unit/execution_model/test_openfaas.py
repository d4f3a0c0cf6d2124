"""OpenFaaS: what is started where, what its programs are told, and what a cluster is asked for."""

import json
import sys
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config.planner import load_modules, make_plan
from continuum.errors import ConfigError, DeployError
from continuum.model.config import Config
from continuum.model.workload import Workload
from continuum.modules.plan import Plan
from continuum.sdk.protocol import ENV_ADDRESS as ADDRESS
from continuum.sdk.protocol import ENV_FRONT as FRONT
from continuum.software import oci
from continuum.testing.fake_connection import FakeConnection
from execution_model.openfaas import clock_offsets, function, on_kubernetes, openfaas_manifests, single_node
from execution_model.openfaas.openfaas_manifests import Function

TEXT = """
[infrastructure]
provider = docker
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


def parse(manager: str, more: str = "", model: str = "") -> Config:
    return config.parse(TEXT.format(manager=manager, more=more) + model)


def planned(read: Config) -> Plan:
    return make_plan(read, load_modules(read))


def workloads(read: Config) -> dict[str, Workload]:
    return {workload.name: workload for workload in planned(read).workloads}


def arranged(more: str = "") -> dict[str, Workload]:
    found = workloads(parse("none", more))
    assert list(found) == ["worker", "gateway", "endpoint"]
    return found


def test_the_gateways_time_is_a_stage_before_the_queue() -> None:
    used = planned(config.parse(TEXT.format(manager="none", more="")))
    assert used.stages == ("preprocess", "uplink", "gateway", "queue", "process", "downlink")
    plain = planned(config.parse(TEXT.format(manager="none", more="").partition("[exec")[0]))
    assert plain.stages == ("preprocess", "uplink", "queue", "process", "downlink")


def test_a_worker_is_kept_by_a_watchdog() -> None:
    worker = arranged()["worker"]
    assert worker.argv == (
        *("{python}", "-m", "execution_model.openfaas.function"),
        *("{python}", "-m", "application.video.worker"),
    )
    assert worker.environment["mode"] == "http"
    assert worker.environment["upstream_url"] == "http://127.0.0.1:8000"
    assert json.loads(worker.environment[FRONT]) == {
        "stage": "gateway",
        "header": "X-Start-Time",
        "ahead_ns": {},
    }
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
    taken = oci.extract(archive, "/bin/x", tmp_path / "kept")
    assert taken.read_bytes() == b"#!new"
    assert taken.stat().st_mode & 0o111
    assert oci.extract(archive, "bin/x", tmp_path / "kept") == taken
    with pytest.raises(oci.ArchiveError, match="no file bin/z"):
        oci.extract(archive, "bin/z", tmp_path / "kept")


def test_what_an_image_starts_is_found_as_its_runtime_would(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    config = oci.ImageConfig(command=("./gateway",), working_folder="/home/app")
    oci.write(archive, "example.org/x:1", [], config)
    assert oci.program(archive) == "/home/app/gateway"
    oci.write(archive, "example.org/x:1", [], oci.ImageConfig(entrypoint=("/fwatchdog",), command=("x",)))
    assert oci.program(archive) == "/fwatchdog"


def test_an_image_without_the_program_ends_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "image.tar"
    oci.write(archive, "ghcr.io/openfaas/gateway:1", [], oci.ImageConfig())
    monkeypatch.setattr("continuum.software.artifacts.resolve", lambda *_: {"gateway": archive})

    class Run:
        config = None
        tell = None

    with pytest.raises(DeployError, match=r"gateway: .*no entry point and no command"):
        single_node.program("gateway", (), Run())  # type: ignore[arg-type]


CLUSTER = {"cloud_memory = 1 GB": "cloud_memory = 2 GB"}


def kubernetes_config(model: str = "", more: str = "") -> Config:
    text = TEXT.format(manager="kubernetes", more=more) + model
    for old, new in CLUSTER.items():
        text = text.replace(old, new)
    return config.parse(text.replace("cloud_nodes = 2", "cloud_nodes = 3"))


def test_on_kubernetes_there_is_one_gateway_and_everybody_asks_it() -> None:
    found = workloads(kubernetes_config())
    assert list(found) == ["worker", "endpoint"]
    worker, endpoint = found["worker"], found["endpoint"]
    assert worker.argv == ("{python}", "-m", "application.video.worker")
    assert worker.environment["port"] == "8080"
    assert "suppress_lock" not in worker.environment
    assert json.loads(worker.environment[FRONT])["stage"] == "gateway"
    assert endpoint.environment[ADDRESS] == "http://cloud1:8080/function/worker"


@pytest.mark.parametrize(
    ("more", "model", "pods", "servers"),
    [
        ("", "", 2, 2),
        ("applications_per_worker = 2", "", 4, 4),
        ("", "openfaas_replicas = 5", 5, 5),
        ("applications_per_worker = 2", "openfaas_replicas = 1", 1, 1),
    ],
)
def test_pods_of_a_function_are_what_can_be_processed_at_once(
    more: str, model: str, pods: int, servers: int
) -> None:
    read = kubernetes_config(model, more)
    plan = planned(read)
    assert on_kubernetes.replicas(read, workloads(read)["worker"], plan.offered) == pods
    assert plan.servers == servers


def test_only_a_cluster_needs_the_provider() -> None:
    def needed(read: Config) -> list[str]:
        model = load_modules(read).execution_model
        assert model is not None
        return sorted(one.name for one in model.artifacts(read))

    assert needed(parse("none")) == ["gateway", "of-watchdog"]
    assert needed(kubernetes_config()) == ["faas-netes", "gateway", "of-watchdog"]


@pytest.mark.parametrize("key", ["openfaas_replicas = 2", "openfaas_cold_starts = 1"])
def test_what_only_a_cluster_can_do_is_refused_without(key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse("none", model=key)
    (problem,) = refused.value.problems
    assert problem.key == key.partition(" ")[0]
    assert "use resource_manager = kubernetes" in problem.message
    parse("none", model="openfaas_replicas = 1\nopenfaas_cold_starts = 0")


FUNCTION = Function(
    "worker", "continuum.local/worker:1", "python -m x", {"mode": "http"}, 3, "cloud",
    {"requests": {"cpu": "10m"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
)  # fmt: skip


def test_a_function_is_described_as_the_gateways_api_wants_it() -> None:
    assert openfaas_manifests.deployment(FUNCTION, "continuum/tier") == {
        "service": "worker",
        "image": "continuum.local/worker:1",
        "envProcess": "python -m x",
        "envVars": {"mode": "http"},
        "labels": {"com.openfaas.scale.min": "3"},
        "constraints": ["continuum/tier=cloud"],
        "limits": {"cpu": "500m", "memory": "64Mi"},
        "requests": {"cpu": "10m"},
    }


def test_each_pod_of_a_function_gets_a_folder_of_its_own_and_none_runs_before() -> None:
    change = openfaas_manifests.addition(FUNCTION, "/var/lib/x", "/run/x", 5)
    assert change["spec"]["replicas"] == 0
    pod = change["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "worker"
    (mount,) = container["volumeMounts"]
    assert mount["subPathExpr"] == "$(CONTINUUM_POD)"
    assert {one["name"] for one in container["env"]} == {"CONTINUUM_NODE", "CONTINUUM_POD"}
    assert pod["volumes"][0]["hostPath"]["path"] == "/var/lib/x"


def test_the_provider_may_change_deployments_and_services_of_functions_alone() -> None:
    rules = {
        name: set(rule["verbs"]) for rule in openfaas_manifests.role()["rules"] for name in rule["resources"]
    }
    changing = {name for name, verbs in rules.items() if verbs - {"get", "list", "watch"}}
    assert changing == {"deployments", "services"}
    (subject,) = openfaas_manifests.role_binding("default")["subjects"]
    assert subject["namespace"] == "default"
    pod = openfaas_manifests.gateway_pod("cloud1", {"gateway": "g:1", "faas-netes": "n:1"}, "default")["spec"]
    assert pod["serviceAccountName"] == subject["name"]
    assert pod["containers"][0]["ports"] == [{"containerPort": 8080, "hostPort": 8080}]
    assert all(one["imagePullPolicy"] == "Never" for one in pod["containers"])


def test_clocks_of_nodes_are_compared_with_the_gateways_within_the_error_that_is_told(tmp_path: Path) -> None:
    ahead_ns = {"cloud1": 5_000_000_000, "cloud2": 9_000_000_000}
    ways = {node: FakeConnection(node, tmp_path / node, by_ns) for node, by_ns in ahead_ns.items()}
    found = clock_offsets.measure(ways, "cloud1", dict.fromkeys(ways, sys.executable))
    assert set(found.by_node_ns) == {"cloud2"}
    # Between the two readings on a node, the clock that counts from 1970 may be corrected a little.
    assert abs(found.by_node_ns["cloud2"] - 4_000_000_000) <= found.error_ns + 50_000_000
    assert 0 < found.error_ns < 4_000_000_000
    alone = {"cloud1": FakeConnection("cloud1", tmp_path / "cloud1")}
    assert clock_offsets.measure(alone, "cloud1", {}) == clock_offsets.Ahead({})
