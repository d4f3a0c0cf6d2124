"""Checks of the keys for simulated nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from continuum.errors import Problem
from resource_manager.kubernetes.api import CONTROL_PLANE_MB, CONTROL_TIER, OUTSIDE, PODS

if TYPE_CHECKING:
    from continuum.model.config import Config

NODE_MB = 1.0
"""Memory of the control plane for each simulated node, in MiB. It includes a margin: with 1,000 nodes and
some of their pods, the parts of a control plane used 510 MiB more than with 20, in another set-up."""

POD_MB = 0.3
"""Memory of the control plane for each simulated pod, in MiB."""

_NODE_PREFIX = 24
"""Prefix length of the network that the controller manager assigns to every node for flannel."""


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
        nodes: number of simulated nodes.
        pods: number of pods on these.
    """
    return CONTROL_PLANE_MB + round(nodes * NODE_MB + pods * POD_MB)


def _network(config: Config, count: int) -> Iterator[Problem]:
    real = sum(tier.integer("nodes") for name, tier in config.tiers.items() if name != OUTSIDE)
    most = 2 ** (_NODE_PREFIX - PODS.prefixlen)
    if config.benchmark.text("kube_network") == "flannel" and real + count > most:
        message = (
            f"flannel needs a network for each of {real + count} nodes, and there are {most};"
            " write kube_network = bridge"
        )
        yield config.benchmark.problem("kwok", message)
