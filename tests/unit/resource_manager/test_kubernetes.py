"""What a cluster and its pods are asked to be: pure."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError, DeployError
from continuum.model.node import Node, node_from_json, node_to_json
from continuum.model.topology import NodeSpec
from continuum.model.workload import Workload
from continuum.modules import registry
from resource_manager.kubernetes import cluster_nodes, explain, node_files, pod_spec
from resource_manager.kubernetes.node_facts import NodeFacts, parse
from resource_manager.kubernetes.node_files import Cluster, Release
from resource_manager.kubernetes.pki import Trust
from resource_manager.kubernetes.pod_spec import Share, Start

INFRASTRUCTURE = """[infrastructure]
provider = docker
cloud_nodes = 3
cloud_cores = 1
cloud_memory = 2 GB
edge_nodes = 1
edge_cores = 1
edge_memory = 1 GB
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 1 GB
"""
BENCHMARK = "[benchmark]\nresource_manager = kubernetes\napplication = video\n"
SHARED = NodeFacts(has_systemd=False, cpus=2, memory_kb=8 << 20, cgroup_version=1, owns_kernel=False)
OWN = NodeFacts(has_systemd=True, cpus=1, memory_kb=2 << 20, cgroup_version=2, owns_kernel=True)
RELEASE = Release("v1.33.13", "3.5.24-0", "v1.12.0", "registry.k8s.io/pause:3.10")
MANAGER = registry.resource_manager("kubernetes")
SLOW: Any = partial(replace, timeout_scale=10.0)


def read(text: str = INFRASTRUCTURE + BENCHMARK) -> config.Config:
    return config.parse(text, "x.cfg")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(text)
    return [str(problem) for problem in refused.value.problems if problem.severity == "error"]


def nodes() -> tuple[Node, ...]:
    specs = topology_builder.from_config(read()).nodes
    return tuple(Node(s, f"10.77.0.{n}", {}, f"10.78.0.{n}") for n, s in enumerate(specs, 1))


def cluster(tmp_path: Path, network: str = "bridge") -> Cluster:
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_text(name)
    trust = Trust(tmp_path / "ca.crt", tmp_path / "ca.key", "sha256:ab", "abcdef.0123456789abcdef")
    return Cluster(cluster_nodes.members(nodes(), shape_management=False), RELEASE, network, trust)


def documents(made: dict[str, tuple[bytes, int]]) -> dict[str, Any]:
    """The kubeadm file's documents by their kind."""
    text = made["/etc/continuum/kubeadm.yml"][0].decode()
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_endpoints_stay_outside_and_the_first_cloud_node_is_the_control_plane() -> None:
    members = cluster_nodes.members(nodes(), shape_management=False)
    assert [member.name for member in members] == ["cloud0", "cloud1", "cloud2", "edge0"]
    assert [member.is_control_plane for member in members] == [True, False, False, False]
    assert [str(member.pods) for member in members][:2] == ["10.244.0.0/24", "10.244.1.0/24"]
    assert len({member.overlay_mac for member in members}) == 4


def test_its_own_traffic_takes_the_management_network_unless_told_otherwise() -> None:
    (first, *_) = cluster_nodes.members(nodes(), shape_management=False)
    assert first.internal == "10.78.0.1"
    (first, *_) = cluster_nodes.members(nodes(), shape_management=True)
    assert first.internal == "10.77.0.1"


def test_applications_are_offered_every_node_but_the_control_plane() -> None:
    whole = topology_builder.from_config(read())
    offered = MANAGER.offer(whole, read())
    assert [node.name for node in offered.nodes_of("cloud")] == ["cloud1", "cloud2"]
    assert (offered.tier("cloud").count, offered.tier("endpoint").count) == (2, 2)
    alone = topology_builder.from_config(
        read(INFRASTRUCTURE.replace("cloud_nodes = 3", "cloud_nodes = 1") + BENCHMARK)
    )
    assert "cloud" not in MANAGER.offer(alone, read()).tier_names()


def test_workloads_in_pods_have_their_programs_in_their_image() -> None:
    assert MANAGER.packs(Workload("worker", "cloud", ("x",)))
    assert not MANAGER.packs(Workload("camera", "endpoint", ("x",)))
    assert not registry.resource_manager("none").packs(Workload("worker", "cloud", ("x",)))


def test_only_nodes_of_the_cluster_are_to_host_containers() -> None:
    demanded = MANAGER.demand(topology_builder.from_config(read()), read())
    able = {node.name: (node.hosts_containers, node.is_managed) for node in demanded.nodes}
    assert able["cloud0"] == able["edge0"] == (True, True)
    assert able["endpoint0"] == (False, False)
    shaped = read(f"{INFRASTRUCTURE}{BENCHMARK}shape_management = True\n")
    assert not any(
        node.is_managed for node in MANAGER.demand(topology_builder.from_config(shaped), shaped).nodes
    )


def test_a_node_offers_no_more_than_its_share_of_the_host(tmp_path: Path) -> None:
    member = cluster(tmp_path).members[1]
    given = node_files.kubelet_arguments(member, SHARED)
    assert given["node-ip"] == "10.78.0.2"
    assert given["system-reserved"] == f"cpu=1000m,memory={6 << 20}Ki"
    assert given["node-labels"] == "continuum/tier=cloud"
    assert "system-reserved" not in node_files.kubelet_arguments(member, OWN)


def test_the_control_plane_is_told_everything_before_the_cluster_is_there(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = node_files.of_node(whole.members[0], SHARED, whole)
    told = documents(made)
    assert told["InitConfiguration"]["bootstrapTokens"][0]["token"] == whole.trust.token
    assert told["InitConfiguration"]["localAPIEndpoint"]["advertiseAddress"] == "10.78.0.1"
    assert told["ClusterConfiguration"]["kubernetesVersion"] == "v1.33.13"
    assert told["ClusterConfiguration"]["etcd"]["local"]["imageTag"] == "3.5.24-0"
    assert told["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"
    assert told["KubeletConfiguration"]["failCgroupV1"] is False
    assert made["/etc/kubernetes/pki/ca.key"] == (b"ca.key", 0o600)
    assert made["/etc/continuum/kubeadm.yml"][1] == 0o600


def test_a_worker_knows_the_token_and_the_authority_but_not_its_key(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = node_files.of_node(whole.members[2], SHARED, whole)
    (told,) = documents(made).values()
    assert told["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "10.78.0.1:6443",
        "token": whole.trust.token,
        "caCertHashes": ["sha256:ab"],
    }
    assert not [path for path in made if path.startswith("/etc/kubernetes/pki")]


def test_slow_nodes_are_waited_for_longer(tmp_path: Path) -> None:
    quick = cluster(tmp_path)
    first, *others = quick.members
    slow = replace(quick, members=(first, *(replace(one, node=SLOW(one.node)) for one in others)))
    assert (quick.timeout_scale, slow.timeout_scale) == (1.0, 10.0)
    waits = []
    for whole in (quick, slow):
        told = documents(node_files.of_node(whole.members[0], OWN, whole))
        limits = told["InitConfiguration"]["timeouts"]
        arguments = told["ClusterConfiguration"]["controllerManager"]["extraArgs"]
        (grace,) = (one["value"] for one in arguments if one["name"] == "node-monitor-grace-period")
        waits.append(
            (*(int(limit.removesuffix("s")) for limit in limits.values()), int(grace.removesuffix("s")))
        )
    assert waits[1] == tuple(10 * wait for wait in waits[0])


def test_probes_of_a_slow_control_plane_are_patient(tmp_path: Path) -> None:
    quick = cluster(tmp_path)
    slow = replace(quick, members=tuple(replace(one, node=SLOW(one.node)) for one in quick.members))
    told = documents(node_files.of_node(slow.members[0], OWN, slow))["ClusterConfiguration"]["etcd"]["local"]
    assert {"name": "election-timeout", "value": "10000"} in told["extraArgs"]
    assert "patches" not in documents(node_files.of_node(quick.members[0], OWN, quick))["InitConfiguration"]
    made = node_files.of_node(slow.members[0], OWN, slow)
    folder = documents(made)["InitConfiguration"]["patches"]["directory"]
    (container,) = yaml.safe_load(made[f"{folder}/kube-apiserver+strategic.yaml"][0])["spec"]["containers"]
    assert container["name"] == "kube-apiserver"
    assert container["livenessProbe"] == {"timeoutSeconds": 150, "failureThreshold": 80}
    assert [path for path in made if path.startswith(folder)] == [
        f"{folder}/{part}+strategic.yaml" for part in node_files.PARTS
    ]
    assert not [path for path in node_files.of_node(slow.members[1], OWN, slow) if path.startswith(folder)]


def test_pods_on_slow_nodes_may_take_longer_to_end() -> None:
    for timeout_scale, grace_s in ((1.0, 5), (10.0, 50)):
        (made, *_) = pod_spec.objects(WORKLOAD, ["cloud1"], replace(START, timeout_scale=timeout_scale))
        assert made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace_s


def test_patience_with_a_node_is_kept_with_the_run() -> None:
    (node, *_) = nodes()
    for one in (node, SLOW(node)):
        assert node_from_json(json.loads(json.dumps(node_to_json(one)))) == one


def test_pods_reach_those_on_other_nodes_over_the_emulated_addresses(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = node_files.of_node(whole.members[1], SHARED, whole)
    script = made["/etc/continuum/network.sh"][0].decode()
    assert "local 10.77.0.2 nolearning" in script
    assert "10.78" not in script
    for other in ("10.244.0.0/24", "10.244.2.0/24", "10.244.3.0/24"):
        assert f"ip route replace {other}" in script
    assert "ip route replace 10.244.1.0/24" not in script
    plugins = json.loads(made["/etc/cni/net.d/10-continuum.conflist"][0])["plugins"]
    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_the_kernels_settings_of_others_are_only_shown(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    shared = node_files.of_node(whole.members[0], SHARED, whole)["/etc/continuum/prepare.sh"][0].decode()
    assert "shown /proc/sys/vm/overcommit_memory 1" in shared
    assert "sysctl" not in shared
    own = node_files.of_node(whole.members[0], OWN, whole)
    assert "overcommit" not in own["/etc/continuum/prepare.sh"][0].decode()
    assert "/etc/systemd/system/kubelet.service" in own
    assert "/etc/systemd/system/kubelet.service" not in node_files.of_node(whole.members[0], SHARED, whole)


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = node_files.of_node(whole.members[0], SHARED, whole)
    packed = node_files.archive(made)
    assert packed == node_files.archive(dict(reversed(made.items())))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        entry = archive.getmember("etc/continuum/join.sh")
        assert (entry.mode, entry.uid, entry.mtime) == (0o755, 0, 0)


def test_facts_are_what_a_node_says() -> None:
    said = "init=sh\ncpus=4\nmemory_kb=1024\ncgroup=1\nkernel=shared\n"
    assert parse(said) == NodeFacts(False, 4, 1024, 1, False)


WORKLOAD = Workload(
    "worker",
    "cloud",
    ("{python}", "-m", "serve"),
    replicas_per_node=2,
    environment={"A": "b"},
    cpu_cores=0.25,
    memory_mb=300,
    ports=(7447, 7448),
    serves=True,
)
START = Start(
    "continuum.local/worker:1",
    "/opt/python",
    "/workload",
    "20260101-000000-x",
    {"cloud1": "10.77.0.2"},
    Share(250, 250, 300, 300),
)


def test_a_workload_that_serves_is_a_deployment_for_every_replica_number() -> None:
    first, second = pod_spec.objects(WORKLOAD, ["cloud1", "cloud2"], START)
    assert (first["kind"], first["spec"]["replicas"]) == ("Deployment", 2)
    container = second["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 7448, "hostPort": 7448}]
    assert container["command"] == ["/opt/python", "-m", "serve"]
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "300Mi"},
        "limits": {"cpu": "250m", "memory": "300Mi"},
    }
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert (environment["CONTINUUM_REPLICA"], environment["A"]) == ("1", "b")
    assert environment["CONTINUUM_NODE"] is None
    spec = first["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"continuum/tier": "cloud"}
    assert spec["hostAliases"] == [{"ip": "10.77.0.2", "hostnames": ["cloud1"]}]
    assert first["metadata"]["labels"] != second["metadata"]["labels"]


def test_a_workload_that_ends_is_a_job_that_is_not_repeated() -> None:
    ends = Workload("batch", "edge", ("true",))
    (made,) = pod_spec.objects(ends, ["edge0"], START)
    assert made["kind"] == "Job"
    assert (made["spec"]["completions"], made["spec"]["backoffLimit"]) == (1, 0)
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_replicas_that_share_a_port_are_refused() -> None:
    shared = Workload("worker", "cloud", ("true",), replicas_per_node=3, ports=(1, 2), serves=True)
    with pytest.raises(DeployError, match="3 replicas on a node serve 2 ports"):
        pod_spec.objects(shared, ["cloud1"], START)


def test_a_pod_asks_for_no_more_than_a_small_host_has() -> None:
    asked = Workload("w", "cloud", ("x",), cpu_cores=3.5, memory_mb=900, replicas_per_node=2)
    assert pod_spec.share(asked, 0.5, 2000, 1000) == Share(1750, 1000, 900, 500)
    assert pod_spec.share(Workload("w", "cloud", ("x",)), 1.0, 2000, 1000) == Share(None, 0, None, 0)


def test_names_of_runs_make_labels() -> None:
    run_id = f"20260101-000000-{'x' * 60}-"
    value = pod_spec.labels(WORKLOAD, 0, run_id)["continuum/run"]
    assert len(value) <= 63
    assert value[0].isalnum()
    assert value[-1].isalnum()


def pod(**state: Any) -> Any:
    """A pod with one container in some state."""
    empty = {"waiting": None, "running": None, "terminated": None}
    container = SimpleNamespace(
        state=SimpleNamespace(**{**empty, **state}), last_state=SimpleNamespace(**empty)
    )
    status = SimpleNamespace(container_statuses=[container], reason=None, message=None, conditions=[])
    return SimpleNamespace(status=status)


def test_what_keeps_a_pod_from_running_is_found() -> None:
    killed = SimpleNamespace(reason="OOMKilled", exit_code=137)
    assert explain.state(pod(terminated=killed)) == ("OOMKilled", "exit status 137")
    absent = SimpleNamespace(reason="ErrImageNeverPull", message="no image")
    assert explain.state(pod(waiting=absent)) == ("ErrImageNeverPull", "no image")
    assert explain.state(pod(waiting=SimpleNamespace(reason="ContainerCreating", message=None))) == ("", "")
    looping = pod(waiting=SimpleNamespace(reason="CrashLoopBackOff", message="back-off"))
    looping.status.container_statuses[0].last_state.terminated = killed
    assert explain.state(looping)[0] == "OOMKilled"
    nowhere = pod()
    nowhere.status.container_statuses = None
    refused = SimpleNamespace(
        type="PodScheduled", status="False", reason="Unschedulable", message="Insufficient memory"
    )
    nowhere.status.conditions = [refused]
    assert explain.state(nowhere) == ("Unschedulable", "Insufficient memory")


def test_a_control_plane_with_too_little_memory_is_refused_with_the_number() -> None:
    small = INFRASTRUCTURE.replace("cloud_memory = 2 GB", "cloud_memory = 1 GB")
    (said,) = problems(small + BENCHMARK)
    assert said == (
        'x.cfg:5: [infrastructure] cloud_memory = "1 GB": 1024 MiB, but the control plane of Kubernetes needs'
        ' 1700 MiB; write "1700 MiB" or more'
    )


def test_a_cluster_needs_a_cloud_node_and_a_worker() -> None:
    none = INFRASTRUCTURE.replace("cloud_nodes = 3", "cloud_nodes = 0")
    assert 'write "cloud_nodes = 2"' in " ".join(problems(none + BENCHMARK))
    one = INFRASTRUCTURE.replace("cloud_nodes = 3", "cloud_nodes = 1").replace(
        "edge_nodes = 1", "edge_nodes = 0"
    )
    assert "write cloud_nodes = 2 or more" in " ".join(problems(one + BENCHMARK))
    read(f"{one}[benchmark]\nresource_manager = kubernetes\nresource_manager_only = True\n")


def test_a_version_that_does_not_exist_is_refused() -> None:
    (said,) = problems(f"{INFRASTRUCTURE}{BENCHMARK}kube_version = v1.99.0\n")
    assert 'kube_version = "v1.99.0": unknown version; the nearest known versions are: v1.' in said
    assert "unknown version" in problems(f"{INFRASTRUCTURE}{BENCHMARK}kube_version = latest\n")[0]


@pytest.mark.parametrize("text", ["1." + "3" * 5000, "1.33." + "3" * 5000, "1." + "0" * 4000, "9" * 5000])
def test_a_version_that_is_too_long_for_one_is_refused(text: str) -> None:
    (found,) = problems(INFRASTRUCTURE + BENCHMARK + f"kube_version = {text}\n")
    assert "not a version" in found


def test_releases_of_old_files_are_taken_for_the_oldest_there_is() -> None:
    old = read(f"{INFRASTRUCTURE}{BENCHMARK}kube_version = v1.27.0\n")
    (warning,) = [problem for problem in old.warnings if problem.key == "kube_version"]
    assert "older than all releases there are; v1." in warning.message
    assert MANAGER.artifacts(old)[0].version in warning.message


def test_a_provider_whose_nodes_cannot_host_containers_is_refused_with_those_that_can() -> None:
    (said,) = problems(INFRASTRUCTURE.replace("docker", "local") + BENCHMARK)
    assert "but nodes of provider local cannot: they share the file system" in said
    assert '"docker"' in said.partition("there are: ")[2]


def test_a_node_spec_says_nothing_of_containers_by_itself() -> None:
    spec = NodeSpec("cloud0", "cloud", 0, 1, 1)
    assert (spec.hosts_containers, spec.is_managed) == (False, False)
