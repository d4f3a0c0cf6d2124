"""The pods that are ordered, as the four ways of ``kube_deployment`` want them. Pure."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from continuum.model.workload import Workload
from resource_manager.kubecontrol import simulated
from resource_manager.kubernetes import pods
from resource_manager.kubernetes.cluster_nodes import TIER_LABEL
from resource_manager.kubernetes.pods import Start

POD, CONTAINER, FILE, CALL = WAYS = ("pod", "container", "file", "call")
"""A pod for each instance, from one file; all instances of a node as containers of one pod; a pod for each,
from files of their own; a pod for each, with a call of the API for each."""


def names(workload: Workload, count: int) -> list[str]:
    """Names of pods, such that their order as words is that of their numbers."""
    width = len(str(max(0, count - 1)))
    return [f"{workload.name.lower()}-{number:0{width}d}" for number in range(count)]


def build(workload: Workload, nodes: Sequence[str], start: Start, way: str) -> list[dict[str, Any]]:
    """The pods, in the order in which they are to be made.

    The scheduler chooses their nodes; but the pods of the way ``container`` are one for each node.
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
    """Pods as ``build`` makes them, for simulated nodes; their names come after those of the others."""
    copies, like = workload.replicas_per_node, replace(workload, name=f"{workload.name}-kwok")
    if way == CONTAINER:
        pods_of = zip(names(like, len(nodes)), nodes, strict=True)
        return [_simulated(_pod(workload, name, start, range(copies), _fake(node))) for name, node in pods_of]
    every = names(like, len(nodes) * copies)
    return [_simulated(_pod(workload, name, start, [number], _fake())) for number, name in enumerate(every)]


def _real(workload: Workload, nodes: Sequence[str]) -> dict[str, Any]:
    """What keeps a pod to some nodes of the workload's tier."""
    return {"nodeSelector": {TIER_LABEL: workload.tier}, "affinity": {"nodeAffinity": pods.only_on(nodes)}}


def _fake(node: str = "") -> dict[str, Any]:
    """What keeps a pod to simulated nodes, or to one of them."""
    chosen = {"affinity": {"nodeAffinity": pods.only_on([node])}} if node else {}
    return {"nodeSelector": dict(simulated.LABEL), "tolerations": [dict(simulated.TOLERATION)], **chosen}


def _simulated(pod: dict[str, Any]) -> dict[str, Any]:
    """The same pod, marked as one that never really runs; it has no folder on a node that is none."""
    pod["metadata"]["labels"] |= simulated.LABEL
    pod["spec"]["volumes"] = []
    for container in pod["spec"]["containers"]:
        container["volumeMounts"] = []
    return pod


def container_name(number: int) -> str:
    """Name of the container of one instance."""
    return f"{pods.CONTAINER}-{number}"


def number_of(container: str) -> int:
    """The instance that a container is."""
    return int(container.rpartition("-")[2])


def _pod(
    workload: Workload, name: str, start: Start, numbers: Sequence[int], where: Mapping[str, Any]
) -> dict[str, Any]:
    labels = pods.labels(workload, numbers[0], start.run_id)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": round(pods.GRACE_S * start.timeout_scale),
            **where,
            "hostAliases": [{"ip": address, "hostnames": [one]} for one, address in start.names.items()],
            "containers": [_container(workload, number, start) for number in numbers],
            "volumes": [_volume(workload, number) for number in numbers],
        },
    }


def _container(workload: Workload, number: int, start: Start) -> dict[str, Any]:
    mount = {"name": _volume_name(number), "mountPath": pods.MOUNTED}
    return {
        **pods.container(workload, number, start),
        "name": container_name(number),
        "volumeMounts": [mount],
        "ports": [],
    }


def _volume(workload: Workload, number: int) -> dict[str, Any]:
    path = str(pods.folder(workload, number))
    return {"name": _volume_name(number), "hostPath": {"path": path, "type": "DirectoryOrCreate"}}


def _volume_name(number: int) -> str:
    return f"folder-{number}"


def files(objects: Sequence[Mapping[str, Any]], way: str) -> dict[str, str]:
    """The manifests for kubectl: one file of all, or one for each; by name, in the order of the pods."""
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
