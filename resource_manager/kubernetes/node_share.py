"""How much of its nodes a replica gets: what the API says pods may take, and the quantities it says it in."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from continuum.errors import DeployError
from continuum.model.node import Node
from continuum.model.workload import Workload
from resource_manager.kubernetes import pod_spec
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.cluster_nodes import TIER_LABEL
from resource_manager.kubernetes.readiness import states

LISTED_TIMEOUT_S = 30.0
"""How long the API may take to list a node that is Ready."""


@dataclass(frozen=True)
class Allocatable:
    """What pods may take of a node.

    Attributes:
        cpu_milli: CPU, in thousandths of a core.
        memory_mb: memory, in MiB.
    """

    cpu_milli: int
    memory_mb: int


def share_of(api: Api, workload: Workload, nodes: Sequence[Node]) -> pod_spec.Share:
    """What one replica of a workload gets of each of its nodes.

    Raises:
        DeployError: the API does not list one of the nodes within ``LISTED_TIMEOUT_S``.
    """
    free = wait_listed(api, [node.name for node in nodes]).values()
    return pod_spec.share(
        workload,
        min(node.spec.quota for node in nodes),
        min(one.cpu_milli for one in free),
        min(one.memory_mb for one in free),
    )


def wait_listed(api: Api, names: Collection[str]) -> Mapping[str, Allocatable]:
    """Wait until the API lists every one of these nodes with its tier and what pods may take of it.

    A node may be Ready and not be listed yet: its labels and its capacity are set separately.

    Raises:
        DeployError: a node is missing after ``LISTED_TIMEOUT_S``; the message names it.
    """
    limit_s = LISTED_TIMEOUT_S * api.timeout_scale
    selection, found = {"label_selector": TIER_LABEL}, {}
    deadline = time.monotonic() + limit_s
    for listed in states(api.core.list_node, deadline, selection, timeout_scale=api.timeout_scale):
        known = {name: allocatable(listed[name]) for name in names if name in listed}
        found = {name: value for name, value in known.items() if value is not None}
        if len(found) == len(names):
            return found
    missing = ", ".join(name for name in names if name not in found)
    raise DeployError(
        f"the API does not list {missing} with a tier and free resources within {limit_s:g} s;"
        f" `kubectl get nodes -L {TIER_LABEL}` on the control plane shows what it lists"
    )


def allocatable(node: Any) -> Allocatable | None:
    """What pods may take of a node; None while its kubelet has not reported it, or not as quantities."""
    from kubernetes.utils import parse_quantity

    reported = node.status.allocatable or {}
    try:
        cpu, memory = (parse_quantity(reported.get(name)) for name in ("cpu", "memory"))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return None
    return Allocatable(int(cpu * 1000), int(memory) >> 20)
