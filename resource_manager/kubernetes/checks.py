"""Checks of the nodes and the version of a cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from continuum.errors import Problem
from resource_manager.kubernetes import kube_version
from resource_manager.kubernetes.cluster_nodes import CONTROL_TIER, OUTSIDE

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.model.section import Section

CONTROL_PLANE_MB = 1700
"""kubeadm's minimum for a control plane (its ControlPlaneMem)."""

WORKER_MB = 512
"""Kubelet, container engine and kube-proxy use 90 MB, as measured; the rest is for pods."""

LEAST_CORES = 1.0


def check(config: Config) -> Iterator[Problem]:
    """Every problem with the nodes and the version of a cluster."""
    yield from kube_version.check(config.benchmark)
    control = config.tiers[CONTROL_TIER]
    if not control.integer("nodes"):
        message = 'kubernetes needs a cloud node for its control plane; write "cloud_nodes = 2"'
        yield config.benchmark.problem("resource_manager", message)
        return
    inside = {name: tier for name, tier in config.tiers.items() if name != OUTSIDE and tier.integer("nodes")}
    workers = sum(tier.integer("nodes") for tier in inside.values()) - 1
    if not workers and not config.benchmark.flag("resource_manager_only"):
        message = (
            "the one cloud node is the control plane, so there is none for workloads;"
            f" write {CONTROL_TIER}_nodes = 2 or more"
        )
        yield control.problem("nodes", message)
    yield from _size(control, "the control plane of Kubernetes", CONTROL_PLANE_MB)
    for name, tier in inside.items():
        if name != CONTROL_TIER:
            yield from _size(tier, "a node of a Kubernetes cluster", WORKER_MB)


def _size(tier: Section, what: str, least_mb: int) -> Iterator[Problem]:
    memory_mb, cores = tier.integer("memory"), tier.real("cores")
    if memory_mb < least_mb:
        message = f'{memory_mb} MiB, but {what} needs {least_mb} MiB; write "{least_mb} MiB" or more'
        yield tier.problem("memory", message)
    if cores < LEAST_CORES:
        yield tier.problem("cores", f"{cores:g} cores, but {what} needs {LEAST_CORES:g}; write 1 or more")
