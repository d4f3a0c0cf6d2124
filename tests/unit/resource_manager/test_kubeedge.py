"""KubeEdge: what a config must have, and what its nodes are told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError
from continuum.host import facts
from continuum.model.node import Node
from continuum.modules import registry
from resource_manager.kubeedge import edge_files, join_token
from resource_manager.kubeedge.edge_files import Edge
from resource_manager.kubernetes import cluster_nodes, pki
from resource_manager.kubernetes import node_files as kubernetes_files
from resource_manager.kubernetes.node_files import Cluster
from tests.unit.resource_manager.test_kubernetes import INFRASTRUCTURE, OWN, RELEASE, SHARED

BENCHMARK = "[benchmark]\nresource_manager = kubeedge\napplication = video\n"
SMALL = INFRASTRUCTURE.replace("cloud_nodes = 3", "cloud_nodes = 1")
MANAGER = registry.resource_manager("kubeedge")
EDGE = Edge("v1.20.0", b"certificate", b"key", "hash.header.claims.signature")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config.parse(text, "x.cfg")
    return [str(problem) for problem in refused.value.problems if problem.severity == "error"]


def cluster(tmp_path: Path) -> Cluster:
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_text(name)
    trust = pki.Trust(tmp_path / "ca.crt", tmp_path / "ca.key", "sha256:ab", "abcdef.0123456789abcdef")
    specs = topology_builder.from_config(config.parse(SMALL + BENCHMARK, "x.cfg")).nodes
    nodes = tuple(Node(spec, f"10.77.0.{n}", {}, f"10.78.0.{n}") for n, spec in enumerate(specs, 1))
    cloud, edge = cluster_nodes.members(nodes, shape_management=False)
    return Cluster((cloud, replace(edge, agent=edge_files.AGENT)), RELEASE, "bridge", trust)


def settings(made: dict[str, tuple[bytes, int]]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(made["/etc/kubeedge/config/edgecore.yaml"][0])
    return found


def test_one_cloud_node_is_enough_where_there_is_an_edge() -> None:
    parsed = config.parse(SMALL + BENCHMARK, "x.cfg")
    names = {one.name for one in MANAGER.artifacts(parsed)}
    assert {"cloudcore", "edgecore", "keadm", "kubeadm", "pause"} <= names
    assert not {"flannel", "flannel-cni-plugin", "cni-plugins"} & names
    offered = MANAGER.offer(topology_builder.from_config(parsed), parsed)
    assert [spec.tier for spec in offered.nodes] == ["edge", "endpoint", "endpoint"]


def test_it_is_refused_without_edge_nodes() -> None:
    found = problems(INFRASTRUCTURE.replace("edge_nodes = 1", "edge_nodes = 0") + BENCHMARK)
    assert any('write "edge_nodes = 1"' in one for one in found)


def test_a_config_without_a_folder_of_artifacts_is_warned_of_it(tmp_path: Path) -> None:
    def told(infrastructure: str) -> list[str]:
        parsed = config.parse(SMALL + infrastructure + BENCHMARK, "x.cfg")
        return [one.message for one in MANAGER.probe(parsed, facts.read()) if one.severity == "warning"]

    (found,) = told("")
    assert "write artifact_dir" in found
    assert told(f"artifact_dir = {tmp_path}\n") == []


def test_a_version_that_does_not_exist_is_refused() -> None:
    (found,) = problems(SMALL + BENCHMARK + "kubeedge_version = 1.99\n")
    assert "kubeedge_version" in found
    assert "v1.20.0" in found


def test_it_is_no_ground_for_functions_that_need_a_clusters_services() -> None:
    text = SMALL + BENCHMARK + "[execution_model]\nmodel = openfaas\n"
    assert any("openfaas" in one for one in problems(text))


def test_the_token_is_signed_with_the_key_and_names_the_certificate(tmp_path: Path) -> None:
    trust = pki.make(SimpleNamespace(directory=tmp_path), "kubeedge")  # type: ignore[arg-type]
    certificate, key = join_token.der(trust)
    made = join_token.make(certificate, key)
    named, header, claims, signature = made.split(".")
    assert named == hashlib.sha256(certificate).hexdigest()
    expected = hmac.digest(key, f"{header}.{claims}".encode(), "sha256")
    assert base64.urlsafe_b64decode(signature + "=") == expected
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "HS256"
    assert join_token.make(certificate, key) == made, "a second installation would change the node"


def test_cloudcores_authority_is_not_the_clusters(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(directory=tmp_path)
    assert pki.make(run).key.read_bytes() != pki.make(run, "kubeedge").key.read_bytes()


def test_edgecore_is_told_where_cloudcore_is_and_what_the_node_has(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    edge = whole.members[1]
    made = edge_files.of_edge(edge, SHARED, whole, EDGE)
    modules = settings(made)["modules"]
    assert modules["edgeHub"]["websocket"]["server"] == "10.78.0.1:10000"
    assert modules["edgeHub"]["httpServer"] == "https://10.78.0.1:10002"
    assert modules["edgeStream"] == {"enable": True, "server": "10.78.0.1:10004"}
    edged = modules["edged"]
    assert (edged["hostnameOverride"], edged["nodeIP"]) == ("edge0", "10.78.0.2")
    assert edged["nodeLabels"] == {"continuum/tier": "edge"}
    kubelet = edged["tailoredKubeletConfig"]
    assert kubelet["systemReserved"] == {"cpu": "1000m", "memory": f"{7 << 20}Ki"}
    assert kubelet["cgroupDriver"] == "cgroupfs"
    assert made["/etc/kubeedge/bootstrap-edgecore.conf"] == (EDGE.token.encode(), 0o600)
    own = settings(edge_files.of_edge(edge, OWN, whole, EDGE))["modules"]["edged"]["tailoredKubeletConfig"]
    assert own["cgroupDriver"] == "systemd"


def test_an_edge_node_has_an_engine_and_edgecore_but_no_kubelet(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = kubernetes_files.of_node(whole.members[1], SHARED, whole)
    assert "/etc/containerd/config.toml" in made
    assert "/etc/cni/net.d/10-continuum.conflist" in made
    assert not {"/etc/continuum/kubelet.sh", "/etc/continuum/kubeadm.yml"} & made.keys()
    prepare = made["/etc/continuum/prepare.sh"][0].decode()
    assert "keep.sh edgecore /etc/continuum/edgecore.sh" in prepare
    assert "kubelet.sh" not in prepare
    systemd = kubernetes_files.of_node(whole.members[1], OWN, whole)
    service = systemd["/etc/systemd/system/edgecore.service"][0].decode()
    assert "ExecStart=/etc/continuum/edgecore.sh" in service


def test_the_control_plane_starts_cloudcore_with_the_authority_it_is_given(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    made = edge_files.of_cloud(whole.members[0], SHARED, whole, EDGE)
    script = made["/etc/continuum/cloudcore.sh"][0].decode()
    assert "--kubeedge-version v1.20.0 --advertise-address 10.78.0.1" in script
    assert '-d "$edge" -j DNAT --to-destination 10.78.0.1:10003' in script
    assert "for edge in 10.78.0.2; do" in script
    assert "--patch-file /etc/continuum/not-on-edge.json" in script
    proxy = json.loads(made["/etc/continuum/not-on-edge.json"][0])["spec"]["template"]["spec"]["affinity"]
    (term,) = proxy["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": edge_files.EDGE_ROLE, "operator": "DoesNotExist"}]
    authority, mode = made["/etc/continuum/kubeedge-authority.json"]
    assert mode == 0o600
    data = json.loads(authority)["items"][1]["data"]
    assert base64.b64decode(data["cadata"]) == EDGE.certificate
    assert base64.b64decode(data["cakeydata"]) == EDGE.key
