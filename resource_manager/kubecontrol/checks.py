"""What in a config cannot become a cluster with simulated nodes: pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from continuum.errors import Problem
from resource_manager.kubernetes import checks
from resource_manager.kubernetes.cluster_nodes import CONTROL_TIER, OUTSIDE, PODS

if TYPE_CHECKING:
    from continuum.model.config import Config

NODE_MB = 1.0
"""What a simulated node takes of the control plane's memory. A margin: with 1,000 nodes and some of their
pods, its parts were seen to be 510 MiB larger than with 20, in another set-up."""

POD_MB = 0.3
"""The same of a simulated pod."""

_NODE_PREFIX = 24
"""Size of the network that flannel has the controller manager give every node."""


def check(config: Config) -> Iterator[Problem]:
    """Every problem with simulated nodes."""
    count = config.benchmark.integer("kwok")
    if not count:
        return
    yield from _memory(config, count)
    yield from _network(config, count)


def _memory(config: Config, count: int) -> Iterator[Problem]:
    instances = config.benchmark.integer("applications_per_worker")
    needed_mb = least_mb(count, count * instances)
    control = config.tiers[CONTROL_TIER]
    if control.integer("nodes") and control.integer("memory") < needed_mb:
        message = (
            f"{count} simulated nodes with {count * instances} pods need {needed_mb} MiB of the control plane"
            f", which has {control.integer('memory')} MiB; write {CONTROL_TIER}_memory = {needed_mb} MiB, or"
            " simulate fewer nodes"
        )
        yield config.benchmark.problem("kwok", message)


def least_mb(nodes: int, pods: int) -> int:
    """Memory that a control plane needs, in MiB.

    Args:
        nodes: how many of them are simulated.
        pods: how many pods are on these.
    """
    return checks.CONTROL_PLANE_MB + round(nodes * NODE_MB + pods * POD_MB)


def _network(config: Config, count: int) -> Iterator[Problem]:
    real = sum(tier.integer("nodes") for name, tier in config.tiers.items() if name != OUTSIDE)
    most = 2 ** (_NODE_PREFIX - PODS.prefixlen)
    if config.benchmark.text("kube_network") == "flannel" and real + count > most:
        message = (
            f"flannel gives every node a network of its own, and there are {most} for {real + count} nodes;"
            " write kube_network = bridge"
        )
        yield config.benchmark.problem("kwok", message)
