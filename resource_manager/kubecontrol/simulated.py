"""Nodes that KWOK simulates: what they are called, and what the API is told of them. Pure.

They are marked the way KWOK's own documentation does it. They have no ``kubernetes.io/os``, which keeps the
cluster's own daemons (kube-proxy, flannel) off them, and no tier, which keeps workloads off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

LABEL = {"type": "kwok"}
"""What tells simulated nodes, and the pods for them, from all others."""

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
TOLERATION = {"key": TAINT["key"], "operator": "Exists", "effect": TAINT["effect"]}
ROOM = {"cpu": "32", "memory": "256Gi", "pods": "250"}
"""Of one node: enough never to be what decides, and as many pods as kubelets here take."""

_NOT_READY = "node.kubernetes.io/not-ready"


def selector() -> str:
    """Selects simulated nodes, or pods for them."""
    return ",".join(f"{key}={value}" for key, value in LABEL.items())


def unselector() -> str:
    """Selects all others."""
    return ",".join(f"{key}!={value}" for key, value in LABEL.items())


def names(count: int) -> list[str]:
    """Names of simulated nodes; no tier's node can have one of them, for there is a dash in it."""
    return [f"kwok-{number}" for number in range(count)]


def node(name: str) -> dict[str, Any]:
    """One node, as the API takes it."""
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


def lacking(wanted: Iterable[str], there: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """Names of nodes that take no pods yet, and why.

    Args:
        wanted: names of all.
        there: the nodes there are, as JSON.
    """
    by_name = {str(one["metadata"]["name"]): one for one in there}
    for name in wanted:
        why = _lack(by_name[name]) if name in by_name else "the API does not know it"
        if why:
            yield name, why


def _lack(one: Json) -> str:
    conditions = one.get("status", {}).get("conditions") or ()
    if not any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        return "KWOK has not made it Ready"
    taints = one.get("spec", {}).get("taints") or ()
    if any(each["key"] == _NOT_READY for each in taints):
        return "the controller manager has not taken note of its being Ready"
    return ""
