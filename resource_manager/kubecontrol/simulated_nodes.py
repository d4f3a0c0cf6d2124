"""Nodes that KWOK simulates: their names, labels, taints and manifests. Pure.

Labels and taints are those of KWOK's documentation. The nodes have no ``kubernetes.io/os``, which keeps the
cluster's own daemons (kube-proxy, flannel) off them, and no tier, which keeps workloads off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

LABEL = {"type": "kwok"}
"""Label of simulated nodes and of the pods for them."""

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
TOLERATION = {"key": TAINT["key"], "operator": "Exists", "effect": TAINT["effect"]}
ROOM = {"cpu": "32", "memory": "256Gi", "pods": "250"}
"""Capacity of one node: more than workloads ask for, and as many pods as the kubelets here take."""

_NOT_READY = "node.kubernetes.io/not-ready"


def selector() -> str:
    """Label selector of simulated nodes, or of pods for them."""
    return ",".join(f"{key}={value}" for key, value in LABEL.items())


def unselector() -> str:
    """Label selector of all other nodes or pods."""
    return ",".join(f"{key}!={value}" for key, value in LABEL.items())


def names(count: int) -> list[str]:
    """Names of simulated nodes; the dash keeps them apart from nodes of tiers."""
    return [f"kwok-{number}" for number in range(count)]


def node(name: str) -> dict[str, Any]:
    """The manifest of one node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**LABEL, "kubernetes.io/hostname": name},
            "annotations": {TAINT["key"]: TAINT["value"]},
        },
        "spec": {"taints": [dict(TAINT)]},
        "status": {"allocatable": dict(ROOM), "capacity": dict(ROOM)},
    }


def not_ready(wanted: Iterable[str], there: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """Names of nodes that take no pods yet, and why.

    Args:
        wanted: names of all.
        there: the nodes that exist, as JSON.
    """
    by_name = {str(one["metadata"]["name"]): one for one in there}
    for name in wanted:
        why = _reason(by_name[name]) if name in by_name else "the API does not list it"
        if why:
            yield name, why


def _reason(one: Json) -> str:
    conditions = (one.get("status") or {}).get("conditions") or ()
    if not any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions):
        return "KWOK has not made it Ready"
    taints = (one.get("spec") or {}).get("taints") or ()
    if any(each.get("key") == _NOT_READY for each in taints):
        return "it still has the taint not-ready"
    return ""
