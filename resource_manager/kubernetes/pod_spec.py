"""Manifests of workloads: Deployments for those that serve, Jobs for those that end. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from continuum.errors import DeployError
from continuum.model.workload import Workload
from continuum.sdk import protocol
from resource_manager.kubernetes.cluster_nodes import TIER_LABEL

NAMESPACE = "default"
FOLDERS = PurePosixPath("/var/lib/continuum/pods")
"""Folder on nodes in which each replica has its own, for its start signal and its events."""

MOUNTED = "/run/continuum"
"""Mount point of that folder in containers."""

CONTAINER = "workload"
GRACE_S = 5
_HOST_LABEL = "kubernetes.io/hostname"
_RUN, _WORKLOAD, _REPLICA = "continuum/run", "continuum/workload", "continuum/replica"


@dataclass(frozen=True)
class Share:
    """What a pod requests and may use.

    Attributes:
        cpu_milli: limit of CPU in thousandths of a core; None for none.
        request_milli: request of CPU in thousandths of a core.
        memory_mb: limit of memory in MiB; None for none.
        request_mb: request of memory in MiB.
    """

    cpu_milli: int | None
    request_milli: int
    memory_mb: int | None
    request_mb: int


@dataclass(frozen=True)
class Start:
    """How replicas of a workload start.

    Attributes:
        image: reference of the image. python: the interpreter in it. folder: where its files are in it.
        run_id: the run. names: address of every node, by its name. share: what each may use. timeout_scale:
        factor on time-outs, see ``continuum.model.node.Node``. runtime_class: RuntimeClass of the pods; empty
        for the cluster's default. wall_offsets_ns: CLOCK_REALTIME minus CLOCK_MONOTONIC of each node, by its
        name; empty where pods have the
            clocks of their nodes.
    """

    image: str
    python: str
    folder: str
    run_id: str
    names: Mapping[str, str]
    share: Share
    timeout_scale: float = 1.0
    runtime_class: str = ""
    wall_offsets_ns: Mapping[str, int] = field(default_factory=dict)


def labels(workload: Workload, number: int, run_id: str) -> dict[str, str]:
    """Labels of the pods of a replica."""
    return {_RUN: run_id[-63:].strip("-_."), _WORKLOAD: workload.name.lower(), _REPLICA: str(number)}


def selector(workload: Workload, run_id: str) -> str:
    """Label selector of the pods of all replicas of a workload."""
    chosen = labels(workload, 0, run_id)
    del chosen[_REPLICA]
    return ",".join(f"{key}={value}" for key, value in chosen.items())


def number_of(pod: Any) -> int:
    """Which replica on its node a pod is.

    Raises:
        DeployError: the pod has not the labels of a replica.
    """
    try:
        return int((pod.metadata.labels or {})[_REPLICA])
    except (KeyError, ValueError) as error:
        raise DeployError(f"pod {pod.metadata.name} has no label {_REPLICA} with a number") from error


def folder(workload: Workload, number: int) -> PurePosixPath:
    """A replica's folder on its node."""
    return FOLDERS / f"{workload.name}-{number}"


def objects(workload: Workload, nodes: Sequence[str], start: Start) -> list[dict[str, Any]]:
    """One object for every replica number, with a pod on each of the nodes.

    Raises:
        DeployError: it is unclear which replica serves which port.
    """
    return [_one(workload, number, nodes, start) for number in range(workload.replicas_per_node)]


def _one(workload: Workload, number: int, nodes: Sequence[str], start: Start) -> dict[str, Any]:
    own = labels(workload, number, start.run_id)
    template = {"metadata": {"labels": own}, "spec": _pod(workload, number, nodes, start, own)}
    metadata = {"name": f"{workload.name.lower()}-{number}", "labels": own}
    if workload.serves:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": len(nodes), "selector": {"matchLabels": own}, "template": template},
        }
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completions": len(nodes),
            "parallelism": len(nodes),
            "backoffLimit": 0,
            "template": template,
        },
    }


def _pod(
    workload: Workload, number: int, nodes: Sequence[str], start: Start, own: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **runtime_class(start),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": round(GRACE_S * start.timeout_scale),
        "nodeSelector": {TIER_LABEL: workload.tier},
        "affinity": {
            "nodeAffinity": only_on(nodes),
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": _HOST_LABEL, "labelSelector": {"matchLabels": dict(own)}}
                ]
            },
        },
        "hostAliases": [{"ip": address, "hostnames": [name]} for name, address in start.names.items()],
        "containers": [container(workload, number, start)],
        "volumes": [
            {
                "name": "folder",
                "hostPath": {"path": str(folder(workload, number)), "type": "DirectoryOrCreate"},
            }
        ],
    }


def runtime_class(start: Start) -> dict[str, str]:
    """What chooses the container runtime of a pod, as part of its spec."""
    return {"runtimeClassName": start.runtime_class} if start.runtime_class else {}


def only_on(nodes: Sequence[str]) -> dict[str, Any]:
    """The ``nodeAffinity`` of a pod that runs on some nodes only."""
    term = {"matchExpressions": [{"key": _HOST_LABEL, "operator": "In", "values": list(nodes)}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def container(workload: Workload, number: int, start: Start) -> dict[str, Any]:
    """The container that one replica runs in; it mounts the volume ``folder``."""
    return {
        "name": CONTAINER,
        "image": start.image,
        "imagePullPolicy": "Never",  # it was put onto the nodes
        "command": [start.python if word == "{python}" else word for word in workload.argv],
        "workingDir": start.folder,
        "env": _environment(workload, number, start),
        "resources": resources(start.share),
        "ports": [{"containerPort": port, "hostPort": port} for port in ports(workload, number)],
        "volumeMounts": [{"name": "folder", "mountPath": MOUNTED}],
    }


def _environment(workload: Workload, number: int, start: Start) -> list[dict[str, Any]]:
    plain = {
        **workload.environment,
        protocol.ENV_WORKLOAD: workload.name,
        protocol.ENV_REPLICA: str(number),
        protocol.ENV_RUN: start.run_id,
        protocol.ENV_FOLDER: MOUNTED,
        "PYTHONUNBUFFERED": "1",
        **clocks(start.wall_offsets_ns),
    }
    node = {"name": protocol.ENV_NODE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return [*({"name": name, "value": value} for name, value in plain.items()), node]


def clocks(wall_offsets_ns: Mapping[str, int]) -> dict[str, str]:
    """The variable by which a program with its own CLOCK_MONOTONIC finds that of its node."""
    return {protocol.ENV_WALL_OFFSETS: json.dumps(dict(wall_offsets_ns))} if wall_offsets_ns else {}


def resources(share: Share) -> dict[str, Any]:
    """Requests and limits of a container."""
    limits = {
        **({"cpu": f"{share.cpu_milli}m"} if share.cpu_milli is not None else {}),
        **({"memory": f"{share.memory_mb}Mi"} if share.memory_mb is not None else {}),
    }
    return {
        "requests": {"cpu": f"{share.request_milli}m", "memory": f"{share.request_mb}Mi"},
        "limits": limits,
    }


def ports(workload: Workload, number: int) -> tuple[int, ...]:
    """The ports that one replica serves; DeployError if that is unclear."""
    if workload.replicas_per_node == 1 or not workload.ports:
        return workload.ports
    if len(workload.ports) == workload.replicas_per_node:
        return (workload.ports[number],)
    raise DeployError(
        f"workload {workload.name}: {workload.replicas_per_node} replicas on a node serve"
        f" {len(workload.ports)} ports; each needs its own"
    )


def share(workload: Workload, quota: float, free_milli: int, free_mb: int) -> Share:
    """What a replica gets of a node.

    Args:
        workload: the workload, with its CPU and memory.
        quota: share of each core that the node may use; it reduces CPU time as with every other manager.
        free_milli: CPU that pods may use on the node, in thousandths of a core.
        free_mb: memory that pods may use on the node, in MiB.
    """
    cpu = None if workload.cpu_cores is None else max(1, round(workload.cpu_cores * quota * 1000))
    copies = workload.replicas_per_node
    return Share(
        cpu_milli=cpu,
        request_milli=min(cpu or 0, free_milli // copies),
        memory_mb=workload.memory_mb,
        request_mb=min(workload.memory_mb or 0, free_mb // copies),
    )
