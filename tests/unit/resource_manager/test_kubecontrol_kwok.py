"""Simulated nodes: what is refused, what is ordered, and what is told of pods on them. Pure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from continuum.config import loader as config
from continuum.errors import ConfigError
from continuum.measure import lifecycle
from continuum.model.workload import Workload
from continuum.modules import registry
from resource_manager.kubecontrol import (
    api_timestamps,
    checks,
    kwok_install,
    kwok_timestamps,
    pod_manifests,
    simulated_nodes,
)
from resource_manager.kubecontrol.pod_timestamps import Instance, PodTimestamp, WallClock, marks
from resource_manager.kubernetes.pod_spec import Share, Start
from tests.unit.resource_manager.test_kubernetes import INFRASTRUCTURE, OWN, SHARED

MANAGER = registry.resource_manager("kubecontrol")
BENCHMARK = "[benchmark]\nresource_manager = kubecontrol\napplication = empty\n"
LARGE = INFRASTRUCTURE.replace("cloud_memory = 2 GB", "cloud_memory = 8 GB")
S = 1_000_000_000
T0 = 1_795_254_000 * S
"""2026-11-21T09:40:00Z in ns since 1970."""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config.parse(text, "x.cfg")
    return [str(problem) for problem in refused.value.problems if problem.severity == "error"]


@pytest.mark.parametrize("number", ["-1", "1001", "many", "1.5"])
def test_what_is_no_number_of_nodes_is_refused(number: str) -> None:
    (found,) = problems(LARGE + BENCHMARK + f"kwok = {number}\n")
    assert f'kwok = "{number}"' in found


def test_a_control_plane_that_is_too_small_is_refused_with_the_number() -> None:
    needed_mb = checks.least_mb(1000, 2000)
    (found,) = problems(INFRASTRUCTURE + BENCHMARK + "kwok = 1000\napplications_per_worker = 2\n")
    assert f"need {needed_mb} MiB" in found
    assert "which has 2048 MiB" in found
    assert f"write cloud_memory = {needed_mb} MiB" in found
    config.parse(LARGE + BENCHMARK + "kwok = 1000\napplications_per_worker = 2\n")


def test_flannel_has_no_networks_for_as_many_nodes() -> None:
    flannel = LARGE + BENCHMARK + "kube_network = flannel\n"
    (found,) = problems(flannel + "kwok = 253\n")
    assert "needs a network for each of 257 nodes, and there are 256; write kube_network = bridge" in found
    config.parse(flannel + "kwok = 252\n")


def test_of_no_use_to_another_manager() -> None:
    other = BENCHMARK.replace("kubecontrol", "kubernetes") + "kwok = 10\n"
    (warning,) = config.parse(INFRASTRUCTURE + other, "x.cfg").warnings
    assert "kwok" in str(warning)


def test_kwok_is_an_artifact_only_where_it_is_used() -> None:
    plain = {one.name for one in MANAGER.artifacts(config.parse(LARGE + BENCHMARK, "x.cfg"))}
    with_it = MANAGER.artifacts(config.parse(LARGE + BENCHMARK + "kwok = 1\n", "x.cfg"))
    assert {one.name for one in with_it} - plain == {"kwok"}
    (program,) = (one for one in with_it if one.name == "kwok")
    assert (program.kind, program.version, program.url) == ("binary", "v0.7.0", "")


def test_that_it_cannot_be_downloaded_is_said_beforehand() -> None:
    from continuum.host import facts

    parsed = config.parse(LARGE + BENCHMARK + "kwok = 1\n", "x.cfg")
    warned = [str(one) for one in MANAGER.probe(parsed, facts.read()) if one.severity == "warning"]
    assert any("kwok cannot be downloaded" in one for one in warned)


def test_simulated_nodes_take_no_workloads_that_do_not_ask_for_them() -> None:
    (made,) = map(simulated_nodes.node, simulated_nodes.names(1))
    assert made["metadata"]["name"] == "kwok-0"
    assert made["spec"]["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]
    labels = made["metadata"]["labels"]
    assert labels.items() >= simulated_nodes.LABEL.items()
    assert not any("tier" in label for label in labels)
    assert "kubernetes.io/os" not in labels, "daemons of the cluster would be put there"


def node(name: str, ready: str = "True", *taints: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_a_node_is_there_when_pods_can_be_put_on_it() -> None:
    there = [
        node("kwok-0"),
        node("kwok-1", "Unknown"),
        node("kwok-2", "True", simulated_nodes.TAINT["key"], "node.kubernetes.io/not-ready"),
        {"metadata": {"name": "kwok-3"}},
    ]
    lacks = dict(simulated_nodes.not_ready(simulated_nodes.names(5), there))
    assert list(lacks) == ["kwok-1", "kwok-2", "kwok-3", "kwok-4"]
    assert "taint not-ready" in lacks["kwok-2"]
    assert "does not list it" in lacks["kwok-4"]


SLEEPER = Workload("sleeper", "cloud", ("{python}", "sleeper.py"), replicas_per_node=2)
START = Start(
    "image:1", "/usr/bin/python3", "/app", "20260101-000000-x", {"cloud1": "10.0.0.2"}, Share(None, 0, 64, 0)
)


@pytest.mark.parametrize("way", ["pod", "file", "call"])
def test_pods_for_simulated_nodes_are_those_for_others_but_for_their_place(way: str) -> None:
    real = pod_manifests.build(SLEEPER, ["cloud1"], START, way)
    fake = pod_manifests.build_simulated(SLEEPER, simulated_nodes.names(3), START, way)
    names = [one["metadata"]["name"] for one in (*real, *fake)]
    assert names == sorted(names), "kubectl would make them in another order than they are asked for"
    assert len(set(names)) == 2 + 6
    for one in fake:
        assert one["spec"]["nodeSelector"] == simulated_nodes.LABEL
        assert one["spec"]["tolerations"][0]["key"] == simulated_nodes.TAINT["key"]
        assert one["metadata"]["labels"].items() >= simulated_nodes.LABEL.items()
        assert (one["spec"]["volumes"], one["spec"]["containers"][0]["volumeMounts"]) == ([], [])
    assert not any("tolerations" in one["spec"] for one in real)
    numbers = [pod_manifests.number_of(one["spec"]["containers"][0]["name"]) for one in fake]
    assert numbers == list(range(6))
    assert "kwok-1" not in json.dumps(fake[0]), "the scheduler chooses"


def test_all_instances_of_a_simulated_node_in_one_pod() -> None:
    fake = pod_manifests.build_simulated(SLEEPER, simulated_nodes.names(3), START, "container")
    assert ['["kwok-1"]' in json.dumps(one["spec"]["affinity"]) for one in fake] == [False, True, False]
    assert [one["name"] for one in fake[0]["spec"]["containers"]] == ["workload-0", "workload-1"]


def said(seconds: str, name: str, message: str = "Patch pod") -> str:
    """A line of KWOK's log, as version 0.7.0 writes it."""
    return json.dumps(
        {
            "time": f"2026-11-21T09:40:{seconds}Z",
            "level": "INFO",
            "source": {"function": "patchResource", "file": "pod_controller.go", "line": 400},
            "msg": message,
            "pod": f"default/{name}",
            "node": "kwok-3",
            "stage": "pod-ready",
        }
    )


def test_kwoks_log_tells_when_a_pod_was_ready() -> None:
    log = [
        said("00.1", "sleeper-kwok-0"),
        said("01.25", "sleeper-kwok-0"),
        said("09", "sleeper-kwok-0"),
        said("02", "another"),
        said("02", "sleeper-kwok-0", "Delete pod"),
        '{"msg": "Patch pod", half a line',
        '{"msg": "Patch pod", "pod": 5}',
    ]
    told = list(kwok_timestamps.read(log, "cloud0", {"sleeper-kwok-0": T0 + S}))
    at_ns = T0 + S + S // 4
    assert told == [
        PodTimestamp("sleeper-kwok-0", "started", at_ns, "cloud0"),
        PodTimestamp("sleeper-kwok-0", "ready", at_ns, "cloud0"),
    ]


TOLD = "lastTransitionTime"
POD = {
    "metadata": {
        "name": "sleeper-kwok-0",
        "creationTimestamp": "2026-11-21T09:40:01Z",
        "labels": {"type": "kwok", "continuum/workload": "sleeper"},
    },
    "spec": {"nodeName": "kwok-3"},
    "status": {
        "conditions": [
            {"type": "PodScheduled", "status": "True", TOLD: "2026-11-21T09:40:01Z"},
            {"type": "Ready", "status": "True", TOLD: "2026-11-21T09:40:02Z"},
        ]
    },
}


def test_a_simulated_life_is_told_by_the_clock_of_the_control_plane_and_kept_apart() -> None:
    assert api_timestamps.earliest_ns(POD) == T0 + S
    told = [
        *api_timestamps.of_pod(POD, "cloud0"),
        *kwok_timestamps.read([said("02.5", "sleeper-kwok-0")], "cloud0", {"sleeper-kwok-0": T0}),
    ]
    assert {one.clock for one in told} == {"cloud0"}
    instance = Instance("kwok-3/sleeper-0", "sleeper-kwok-0", "workload-0", "kwok-3", simulated=True)
    (life,) = lifecycle.build(marks(told, [instance], {"cloud0": WallClock(T0)}))
    assert (life.node, life.simulated) == ("kwok-3", True)
    assert life.at_ns["ready"] == life.at_ns["started"] == 2.5 * S
    assert (life.error_ns["ready"], life.at_ns["created"]) == (0, 1.5 * S)


@pytest.mark.parametrize("known", [SHARED, OWN], ids=["no systemd", "systemd"])
def test_kwok_is_kept_running_and_minds_no_real_nodes(tmp_path: Path, known: Any) -> None:
    made = kwok_install.configuration(known)
    assert "--manage-nodes-with-label-selector=type=kwok" in made["/etc/continuum/kwok.sh"][0].decode()
    assert ("/etc/systemd/system/kwok.service" in made) == known.has_systemd
    for path in ("/etc/continuum/kwok.sh", "/etc/continuum/start-kwok.sh"):
        content, mode = made[path]
        assert mode == 0o755
        script = tmp_path / "script"
        script.write_bytes(content)
        subprocess.run(["sh", "-n", str(script)], check=True, timeout=10)
