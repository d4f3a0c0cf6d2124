"""A Kubernetes cluster of containers: what it runs and measures, and what it says when things go wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dockerd import Dockerd
from continuum.config.planner import load_modules, make_plan
from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.measure import lifecycle
from continuum.model.marks import STAGES, Mark
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.job import Job
from continuum.pipeline import open_run
from continuum.rundir import manager_latency, node_metrics
from continuum.rundir.run import Run
from continuum.software import artifacts
from infrastructure.docker.engine_api import client
from resource_manager.kubecontrol import api_probe, kwok_install, pod_manifests, simulated_nodes
from resource_manager.kubecontrol.pod_submission import PodSubmission
from resource_manager.kubernetes import pod_job as jobs
from resource_manager.kubernetes import submission
from tests.e2e import components, program
from tests.e2e.providers import dockerd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(600)]

CONFIG = (
    """
[infrastructure]
provider = docker
docker_image = {image}
artifact_dir = {artifacts}
cloud_nodes = {cloud}
cloud_cores = 1
cloud_memory = 2 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
network_emulation = True
cloud_latency_avg = 10
cloud_endpoint_latency_avg = 20
cloud_endpoint_latency_var = 0
[benchmark]
resource_manager = {manager}
{benchmark}
[run]
"""
    + program.TOLERANCES
    + "\n"
)
VIDEO = "application = video\nfrequency = 5\nduration = 5\nrequest_timeout = 60 s"
ALONE = "resource_manager_only = True"
MANAGER = registry.resource_manager("kubernetes")


def write(
    folder: Path, image: str, artifacts: Path, benchmark: str, *, manager: str = "kubernetes", cloud: int = 2
) -> Path:
    path = folder / f"{manager}.cfg"
    path.write_text(
        CONFIG.format(image=image, artifacts=artifacts, benchmark=benchmark, manager=manager, cloud=cloud)
    )
    return path


def test_a_run_is_as_one_without_a_manager_with_pods_for_processes(
    docker_url: str, kubernetes_image: str, cluster_artifacts: Path, tmp_path: Path
) -> None:
    watched = f"{VIDEO}\nobservability = True\ncache_worker = True"
    config = write(tmp_path, kubernetes_image, cluster_artifacts, watched)
    with dockerd.no_leaks(docker_url):
        done = program.run("-q", config, cwd=tmp_path, timeout_s=500)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    measured = result["benchmark"]
    assert (result["valid"], measured["resource_manager"]) == (True, "kubernetes")
    assert measured["requests"]["completed"] == measured["requests"]["sent"] == 25
    assert measured["workers"] == 1
    for stage in ("uplink", "downlink"):
        assert measured["stages_ms"][stage]["p50"] > 19, "its way is not the emulated link"
    steps = {one["step"]: one["seconds"] for one in result["installation"]}
    assert steps["ready"] > 0
    assert steps["Start the control plane, and join it"] > 0
    assert [*steps].index("images of workloads") < [*steps].index("copy files"), "not ahead of the cluster"
    assert {one["node"] for one in result["deliveries"]} == {"cloud1", "endpoint0"}
    used = {node["name"]: node["cpu_percent"] for node in result["nodes"]}
    assert used["cloud1"] > 0
    series = {
        (one.metric, one.node): one.points for one in node_metrics.read(program.run_directory(tmp_path))
    }
    for metric in ("CPU", "memory", "received", "sent"):
        for node in ("cloud0", "cloud1"):
            assert any(value > 0 for _, value in series[metric, node]), (metric, node)
    assert (program.run_directory(tmp_path) / "plots" / "nodes.png").is_file()
    plain = write(tmp_path, kubernetes_image, cluster_artifacts, VIDEO, manager="none", cloud=1)
    done = program.run("-q", plain, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compared = program.run("compare", *sorted((tmp_path / "runs").iterdir()), cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "uplink" in compared.stdout


@pytest.fixture(scope="module")
def up(
    docker_daemon: Dockerd,
    kubernetes_image: str,
    cluster_artifacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The folder of a run that is up: a control plane and a worker."""
    folder = tmp_path_factory.mktemp("cluster")
    config = write(folder, kubernetes_image, cluster_artifacts, ALONE)
    environment = {"DOCKER_HOST": docker_daemon.url, "XDG_STATE_HOME": str(folder / "state")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
        with dockerd.no_leaks(docker_daemon.url):
            done = program.run("up", config, cwd=folder, env=environment, timeout_s=500)
            assert done.returncode == 0, done.stderr
            assert "kubeconfig: " in done.stderr
            directory = program.run_directory(folder)
            patch.undo()
            yield directory
            done = program.run("down", directory, cwd=folder, env=environment)
            assert done.returncode == 0, done.stderr
            patch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])


@pytest.fixture
def run(up: Path, docker_daemon: Dockerd) -> Run:
    return open_run.load(up)


@pytest.fixture
def deployment(run: Run) -> Deployment:
    return open_run.deployment(run)


def kubectl(deployment: Deployment, *words: str) -> str:
    command = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *words]
    return deployment.connections["cloud0"].run(command, timeout=60).stdout


def workload(name: str, code: str, **changes: Any) -> Workload:
    given: dict[str, Any] = {"serves": True, "cpu_cores": 0.2, "memory_mb": 64, **changes}
    return Workload(name, "cloud", ("{python}", "-c", code), **given)


def of_its_own(name: str, tmp_path: Path) -> Workload:
    """A workload whose image no node has yet."""
    (tmp_path / name).write_text(name)
    return workload(name, SERVES, files={name: tmp_path / name})


SERVES = (
    "from continuum.sdk import session as workload\n"
    "with workload.join() as session:\n"
    "    session.record('1', 'due', 5)\n"
    "    session.ready()\n"
    "    session.stopping.wait()\n"
)


SLEEPS = (
    "from continuum.sdk import session as workload\n"
    "with workload.join() as session:\n"
    "    session.ready()\n"
    "    session.wait_go()\n"
    "    session.record('1', 'due')\n"
)


def test_nodes_are_ready_and_say_no_more_than_their_share(deployment: Deployment) -> None:
    found = json.loads(kubectl(deployment, "get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["name"] for node in found] == ["cloud0", "cloud1"]
    for node in found:
        assert node["metadata"]["labels"]["continuum/tier"] == "cloud"
        assert node["status"]["allocatable"]["cpu"] == "1"
        assert node["status"]["allocatable"]["memory"] == "2Gi"
        (address,) = (one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
        assert address == deployment.node(node["metadata"]["name"]).management


def test_the_name_server_and_the_proxies_run(deployment: Deployment) -> None:
    chosen = ("-n", "kube-system", "-l", "k8s-app in (kube-dns, kube-proxy)", "-o", "json")
    deadline, running = time.monotonic() + 60, [""]
    while running != ["cloud0", "cloud0", "cloud1"]:
        assert time.monotonic() < deadline, running
        pods = json.loads(kubectl(deployment, "get", "pods", *chosen))["items"]
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        running = sorted(pod["spec"].get("nodeName", "") for pod in staying if is_ready(pod))


def is_ready(pod: Any) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


def test_pods_on_other_nodes_are_reached_over_the_emulated_link(deployment: Deployment) -> None:
    pods = json.loads(kubectl(deployment, "get", "pods", "-A", "-l", "k8s-app=kube-dns", "-o", "json"))
    address = next(pod["status"]["podIP"] for pod in pods["items"] if is_ready(pod))
    said = deployment.connections["cloud1"].run(["ping", "-c", "3", "-q", address], timeout=60).stdout
    assert "3 received" in said
    assert float(said.rpartition("= ")[2].split("/")[0]) > 19, "there is a way round the link"
    direct = ["ping", "-c", "10", "-i", "0.2", "-q", deployment.node("cloud0").management]
    said = deployment.connections["cloud1"].run(direct, timeout=60).stdout
    assert float(said.rpartition("= ")[2].split("/")[0]) < 19, "the management network is emulated"


def test_the_api_is_reached_from_this_host(up: Path, deployment: Deployment, docker_daemon: Dockerd) -> None:
    with deployment.connections["cloud0"].dial(6443) as way:
        assert isinstance(way, socket.socket)
    with program.started("forward", up, "cloud0", "6443", "--local-port", "0", cwd=up) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().partition(":")
        with socket.create_connection((host, int(port)), 10) as way:
            way.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"HTTP request to an HTTPS server" in way.recv(4096)


def test_a_second_installation_changes_nothing(deployment: Deployment, run: Run) -> None:
    pods = ("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    before = kubectl(deployment, *pods).split()
    MANAGER.install(deployment, make_plan(run.config, load_modules(run.config)), run)
    recap = run.log("kubernetes-install").read_text().rpartition("PLAY RECAP")[2]
    assert recap.count("changed=0") == 2, recap
    assert set(kubectl(deployment, *pods).split()) <= set(before), "pods were made anew"


def test_a_pod_starts_tells_leaves_its_events_and_ends(
    deployment: Deployment, run: Run, tmp_path: Path
) -> None:
    made = MANAGER.submit(workload("serves", SERVES), deployment, run)
    try:
        made.wait_ready(60)
        found = json.loads(kubectl(deployment, "get", "deployment", "serves-0", "-o", "json"))
        container = found["spec"]["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"] == {"cpu": "200m", "memory": "64Mi"}
        assert made.failures() == ()
        assert not made.is_done()
        made.stop(5)
        assert made.is_done()
        made.fetch(tmp_path)
    finally:
        made.cancel()
    (event,) = (tmp_path / "cloud1" / "serves-0" / "events.jsonl").read_text().splitlines()
    assert json.loads(event) == {"r": "1", "s": "due", "n": "cloud1", "t": 5}


def test_a_workload_that_ends_is_done(deployment: Deployment, run: Run) -> None:
    code = (
        "import time\nfrom continuum.sdk import session\nwith session.join() as s: s.ready(); time.sleep(2)"
    )
    made = MANAGER.submit(workload("ends", code, serves=False), deployment, run)
    try:
        made.wait_ready(60)
        made.wait(60)
        assert made.failures() == ()
    finally:
        made.cancel()


def wait_in_vain(made: Job) -> None:
    try:
        made.wait_ready(60)
    finally:
        made.cancel()


@pytest.mark.parametrize("wait_s", [0, 1])
def test_a_pod_out_of_memory_is_named_with_the_remedy(
    deployment: Deployment, run: Run, wait_s: float
) -> None:
    hungry = workload(f"hungry{wait_s}", f"import time; time.sleep({wait_s}); x = bytearray(500 << 20)")
    with pytest.raises(DeployError) as refused:
        wait_in_vain(MANAGER.submit(hungry, deployment, run))
    assert f"{hungry.name}-0 on cloud1: OOMKilled" in str(refused.value)
    assert "write a larger application_worker_memory" in str(refused.value)


def test_a_pod_that_fails_is_explained_by_its_log(deployment: Deployment, run: Run) -> None:
    fails = workload("fails", "import sys; print('no such thing'); sys.exit(3)")
    with pytest.raises(DeployError, match=r"fails-0 on cloud1(.|\n)*status 3(.|\n)*no such thing"):
        wait_in_vain(MANAGER.submit(fails, deployment, run))


def test_an_image_that_is_not_there_is_named(
    deployment: Deployment, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(submission, "put_image", lambda *_, **__: None)
    with pytest.raises(DeployError, match=r"absent-0 on cloud1: ErrImageNeverPull(.|\n)*run the config anew"):
        MANAGER.submit(of_its_own("absent", tmp_path), deployment, run)


def test_a_full_disk_is_named(deployment: Deployment, run: Run, tmp_path: Path) -> None:
    worker = deployment.connections["cloud1"]
    disk = "/var/lib/containerd/io.containerd.content.v1.content"
    worker.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], timeout=60)
    worker.run(["mkdir", "-p", f"{disk}/ingest", f"{disk}/blobs/sha256"], timeout=60)
    try:
        with pytest.raises(DeployError, match=r"cloud1: (.|\n)*give its disk more room(.|\n)*no space left"):
            MANAGER.submit(of_its_own("full", tmp_path), deployment, run)
    finally:
        worker.run(["umount", disk], timeout=60)


@pytest.mark.parametrize("way", pod_manifests.WAYS)
def test_lives_of_pods_are_told_by_all_who_know_of_them(
    deployment: Deployment, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(PodSubmission, "way", way)
    monkeypatch.setattr(PodSubmission, "simulated_nodes", 0)
    marks = _marks_of_sleepers(f"asleep-{way}", deployment, run, tmp_path)
    exact = {mark.stage for mark in marks if mark.error_ns < 100_000_000}
    assert exact >= set(STAGES[1:]), "of some stages only the API told, in whole seconds"
    lives = lifecycle.build(marks)
    assert {life.instance for life in lives} == {f"cloud1/asleep-{way}-{number}" for number in (0, 1)}
    for life in lives:
        assert tuple(life.at_ns) == STAGES
        assert sorted(life.at_ns.values()) == list(life.at_ns.values()), "stages are out of order"
    ours = ("get", "pods", "-l", f"continuum/workload=asleep-{way}", "-o", "name")
    deadline = time.monotonic() + 60  # kubelet takes its time over the last of a pod
    while left := kubectl(deployment, *ours):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


SIMULATED = 20


def test_simulated_nodes_are_made_once_and_take_pods_of_their_own(
    deployment: Deployment,
    run: Run,
    kwok_artifacts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = artifacts.versions(
        Path(kwok_install.__file__).parent, architecture=components.known("kwok").architecture
    )
    (run.directory / manager_latency.FILE).unlink(missing_ok=True)
    monkeypatch.setattr(PodSubmission, "way", pod_manifests.POD)
    monkeypatch.setattr(PodSubmission, "simulated_nodes", SIMULATED)
    chosen = ("get", "nodes", "-l", simulated_nodes.selector(), "-o", "jsonpath={.items[*].metadata.uid}")
    try:
        kwok_install.add(deployment, run, needed, SIMULATED)
        before = kubectl(deployment, *chosen)
        assert len(before.split()) == SIMULATED
        kwok_install.add(deployment, run, needed, SIMULATED)
        assert kubectl(deployment, *chosen) == before
        recap = run.log("kubecontrol-kwok").read_text().rpartition("PLAY RECAP")[2]
        assert "changed=0" in recap, recap
        marks = _marks_of_sleepers("among", deployment, run, tmp_path)
        there = json.loads(kubectl(deployment, "get", "pods", "-A", "-o", "json"))["items"]
    finally:
        kubectl(deployment, "delete", "nodes", "-l", simulated_nodes.selector())
    lives = lifecycle.build(marks)
    assert {life.node for life in lives if not life.simulated} == {"cloud1"}
    fake = [life for life in lives if life.simulated]
    assert len(fake) == 2 * SIMULATED
    assert {life.node for life in fake} <= set(simulated_nodes.names(SIMULATED))
    for life in fake:
        assert list(life.at_ns) == ["created", "scheduled", "started", "ready"]
        assert max(life.error_ns.values()) < 500_000_000, "of some stage only the API told, in whole seconds"
    assert not [pod for pod in there if pod["spec"].get("nodeName", "").startswith("kwok-")], "pods are left"
    rows = {(row.part, row.request): row for row in manager_latency.read(run.directory) if not row.resource}
    assert rows["API server", "POST"].count > 2 * SIMULATED
    assert rows["scheduler", "attempt, with binding: scheduled"].count >= 2 * SIMULATED
    assert rows[api_probe.PART, api_probe.LIST].count > 0


def _marks_of_sleepers(name: str, deployment: Deployment, run: Run, tmp_path: Path) -> list[Mark]:
    """What is told of two instances on each node, real and simulated ones."""
    asleep = workload(name, SLEEPS, serves=False, cpu_cores=None, replicas_per_node=2)
    made = registry.resource_manager("kubecontrol").submit(asleep, deployment, run)
    try:
        made.wait_ready(120)
        made.release()
        made.wait(60)
        assert made.failures() == ()
        made.stop(5)
        made.fetch(tmp_path)
    finally:
        made.cancel()
    return list(made.marks())


def test_a_control_plane_that_is_killed_is_named(
    deployment: Deployment, run: Run, docker_daemon: Dockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one here: the cluster is of no use afterwards."""
    monkeypatch.setattr(jobs, "LOST_AFTER_S", 0.5)
    made = MANAGER.submit(workload("orphan", SERVES), deployment, run)
    try:
        made.wait_ready(60)
        client(docker_daemon.url).kill(f"continuum-{run.id}-cloud0")
        deadline = time.monotonic() + 60
        while not made.failures():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "cloud0: the control plane of Kubernetes has not answered" in made.failures()[0]
        made.stop(1)
    finally:
        made.cancel()
    named = [thread.name for thread in threading.enumerate()]
    assert not [name for name in named if "orphan" in name], "threads wait for it for ever"


MOMENTS = ("Put images", pytest.param("deploy .* ok", marks=pytest.mark.long))
"""What is left of pods that run, the fixture ``up`` looks at when it takes its cluster down."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_is_left_of_a_run_that_was_killed(
    docker_url: str, kubernetes_image: str, cluster_artifacts: Path, tmp_path: Path, moment: str
) -> None:
    config = write(tmp_path, kubernetes_image, cluster_artifacts, VIDEO)
    with dockerd.no_leaks(docker_url):
        with program.started(config, cwd=tmp_path) as process:
            program.wait_for(moment, tmp_path, process, timeout_s=300)
            process.kill()
            process.wait(60)
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_an_artifact_that_is_missing_or_corrupt_is_named_before_anything_is_made(
    docker_url: str, kubernetes_image: str, cluster_artifacts: Path, tmp_path: Path
) -> None:
    own = tmp_path / "artifacts"
    own.mkdir()
    for path in cluster_artifacts.iterdir():
        if path.name.startswith("kubelet"):
            (own / path.name).write_bytes(b"not a kubelet")
        elif "coredns" not in path.name:
            (own / path.name).symlink_to(path)
    done = program.run(write(tmp_path, kubernetes_image, own, VIDEO), cwd=tmp_path)
    assert done.returncode == 3
    assert "coredns" in done.stderr
    assert "missing" in done.stderr
    assert "kubelet" in done.stderr
    assert "corrupt" in done.stderr
    assert not (tmp_path / "runs").exists()
