"""Manifests of pods, for the four values of ``kube_deployment``. Pure."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from continuum.model.workload import Workload
from resource_manager.kubecontrol import simulated_nodes
from resource_manager.kubernetes.api import TIER_LABEL, Start, pod_spec

POD, CONTAINER, FILE, CALL = WAYS = ("pod", "container", "file", "call")
"""A pod for each instance, from one file; all instances of a node as containers of one pod; a pod for each,
from files of their own; a pod for each, with a call of the API for each."""


def names(workload: Workload, count: int) -> list[str]:
    """Names of pods, whose alphabetical order is that of their numbers."""
    width = len(str(max(0, count - 1)))
    return [f"{workload.name.lower()}-{number:0{width}d}" for number in range(count)]


def build(workload: Workload, nodes: Sequence[str], start: Start, way: str) -> list[dict[str, Any]]:
    """The pods, in the order in which they are created.

    The scheduler chooses their nodes, except with ``container``: then there is one pod for each node.
    """
    copies = workload.replicas_per_node
    if way == CONTAINER:
        return [
            _pod(workload, name, start, range(copies), _real(workload, [node]))
            for name, node in zip(names(workload, len(nodes)), nodes, strict=True)
        ]
    every, where = names(workload, len(nodes) * copies), _real(workload, nodes)
    return [_pod(workload, name, start, [number], where) for number, name in enumerate(every)]


def build_simulated(workload: Workload, nodes: Sequence[str], start: Start, way: str) -> list[dict[str, Any]]:
    """Pods as ``build`` makes them, for simulated nodes; their names sort after those of the others."""
    copies, like = workload.replicas_per_node, replace(workload, name=f"{workload.name}-kwok")
    if way == CONTAINER:
        pods_of = zip(names(like, len(nodes)), nodes, strict=True)
        return [_simulated(_pod(workload, name, start, range(copies), _fake(node))) for name, node in pods_of]
    every = names(like, len(nodes) * copies)
    return [_simulated(_pod(workload, name, start, [number], _fake())) for number, name in enumerate(every)]


def _real(workload: Workload, nodes: Sequence[str]) -> dict[str, Any]:
    """What keeps a pod to some nodes of the workload's tier."""
    return {
        "nodeSelector": {TIER_LABEL: workload.tier},
        "affinity": {"nodeAffinity": pod_spec.only_on(nodes)},
    }


def _fake(node: str = "") -> dict[str, Any]:
    """What keeps a pod to simulated nodes, or to one of them."""
    chosen = {"affinity": {"nodeAffinity": pod_spec.only_on([node])}} if node else {}
    return {
        "nodeSelector": dict(simulated_nodes.LABEL),
        "tolerations": [dict(simulated_nodes.TOLERATION)],
        **chosen,
    }


def _simulated(pod: dict[str, Any]) -> dict[str, Any]:
    """The same pod, labelled as simulated; it has no folder on a node."""
    pod["metadata"]["labels"] |= simulated_nodes.LABEL
    pod["spec"]["volumes"] = []
    for container in pod["spec"]["containers"]:
        container["volumeMounts"] = []
    return pod


def container_name(number: int) -> str:
    """Name of the container of one instance."""
    return f"{pod_spec.CONTAINER}-{number}"


def number_of(container: str) -> int:
    """Number of the instance in a container."""
    return int(container.rpartition("-")[2])


def _pod(
    workload: Workload, name: str, start: Start, numbers: Sequence[int], where: Mapping[str, Any]
) -> dict[str, Any]:
    labels = pod_spec.labels(workload, numbers[0], start.run_id)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            **pod_spec.runtime_class(start),
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": round(pod_spec.GRACE_S * start.timeout_scale),
            **where,
            "hostAliases": [{"ip": address, "hostnames": [one]} for one, address in start.names.items()],
            "containers": [_container(workload, number, start) for number in numbers],
            "volumes": [_volume(workload, number) for number in numbers],
        },
    }


def _container(workload: Workload, number: int, start: Start) -> dict[str, Any]:
    mount = {"name": _volume_name(number), "mountPath": pod_spec.MOUNTED}
    return {
        **pod_spec.container(workload, number, start),
        "name": container_name(number),
        "volumeMounts": [mount],
        "ports": [],
    }


def _volume(workload: Workload, number: int) -> dict[str, Any]:
    path = str(pod_spec.folder(workload, number))
    return {"name": _volume_name(number), "hostPath": {"path": path, "type": "DirectoryOrCreate"}}


def _volume_name(number: int) -> str:
    return f"folder-{number}"


def files(objects: Sequence[Mapping[str, Any]], way: str) -> dict[str, str]:
    """The manifests for kubectl, by file name, in the order of the pods: one file of all, or one for each."""
    if way == FILE:
        return {f"{one['metadata']['name']}.json": json.dumps(one) for one in objects}
    return {"pods.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})}


def archive(contents: Mapping[str, str]) -> bytes:
    """Files as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in contents.items():
            data = text.encode()
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return packed.getvalue()
