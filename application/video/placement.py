"""Which worker serves which endpoint, and the resources of each program. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from application.video.options import DEFAULT_WARMUP_S, ENDPOINT, PEER, PREFERRED_TIERS
from application.video.settings import HTTP, LOCAL, Server
from continuum.model.topology import NodeSpec, Tier, Topology

if TYPE_CHECKING:
    from continuum.model.config import Config

#: Well-known port of each transport; further workers on a node take the following ones.
FIRST_PORT: Final = {"zenoh": 7447, "mqtt": 1883, HTTP: 8000}
_LEAST_CORES: Final = 0.1
_LEAST_MEMORY_MB: Final = 256


@dataclass(frozen=True)
class ProgramResources:
    """Resources of one program on its node.

    Attributes:
        cores: cores, before the node's quota.
        memory_mb: memory in MiB.
    """

    cores: float
    memory_mb: int


def target(offload_to: str | None, tiers_with_nodes: Mapping[str, int]) -> str:
    """Where frames are classified: a tier, ``endpoint`` (each serves itself) or ``peer``."""
    if offload_to is not None:
        return offload_to.lower()
    return next((tier for tier in PREFERRED_TIERS if tiers_with_nodes.get(tier)), ENDPOINT)


def worker_tier(where: str) -> str:
    """The tier whose nodes run workers."""
    return ENDPOINT if where == PEER else where


def ports(transport: str, replicas: int) -> tuple[int, ...]:
    """Port of each worker on a node."""
    return tuple(FIRST_PORT[transport] + replica for replica in range(replicas))


def servers(where: str, topology: Topology, transport: str, replicas: int) -> dict[str, Server]:
    """The worker of each endpoint, by its node; empty if each serves itself.

    Endpoints are distributed round-robin over workers, node by node, so that the numbers of endpoints of any
    two workers differ by at most one. The peer of an endpoint is the next one.
    """
    if where == ENDPOINT:
        return {}
    endpoints = topology.nodes_of(ENDPOINT)
    nodes = topology.nodes_of(worker_tier(where))
    if where == PEER:
        nodes = nodes[1:] + nodes[:1]
    workers = [
        Server(worker_name(node, replica, replicas), node.name, port)
        for replica, port in enumerate(ports(transport, replicas))
        for node in nodes
    ]
    return {endpoint.name: workers[i % len(workers)] for i, endpoint in enumerate(endpoints)}


def worker_name(node: NodeSpec, replica: int, replicas: int) -> str:
    """The node's name, with the replica's number if the node has several."""
    return node.name if replicas == 1 else f"{node.name}-{replica}"


def worker_resources(config: Config, tier: Tier) -> ProgramResources:
    """Resources of one worker: by default, all cores of the node but half a core, and 1 GB per core.

    Given values are limited to what the node has; ``checks.py`` reports those that exceed it.
    """
    replicas = config.benchmark.integer("applications_per_worker")
    cores = config.benchmark.maybe_real("application_worker_cpu")
    memory_mb = config.benchmark.maybe_integer("application_worker_memory")
    return ProgramResources(
        max(_LEAST_CORES, (tier.cores - 0.5) / replicas)
        if cores is None
        else min(cores, tier.cores / replicas),
        _memory_mb(tier, (tier.cores - 0.5) / replicas, replicas)
        if memory_mb is None
        else min(memory_mb, tier.memory_mb // replicas),
    )


def endpoint_resources(config: Config, tier: Tier) -> ProgramResources:
    """Resources of the program on an endpoint: by default, all cores, and 1 GB per core."""
    cores = config.benchmark.maybe_real("application_endpoint_cpu")
    memory_mb = config.benchmark.maybe_integer("application_endpoint_memory")
    return ProgramResources(
        tier.cores if cores is None else cores,
        _memory_mb(tier, tier.cores, 1) if memory_mb is None else memory_mb,
    )


def _memory_mb(tier: Tier, cores: float, replicas: int) -> int:
    """1 GB per core, but at least what the libraries require and at most what the node has."""
    return min(max(_LEAST_MEMORY_MB, round(cores * 1024)), max(1, tier.memory_mb // replicas))


def camera_mb(resources: ProgramResources) -> int:
    """Memory for decoded frames: a quarter of the program's."""
    return max(1, resources.memory_mb // 4)


def threads(resources: ProgramResources) -> int:
    """Inference threads of a program."""
    return max(1, int(resources.cores))


def warmup_s(config: Config) -> float:
    """Duration of the warm-up in s."""
    given = config.run.maybe_real("warmup")
    return DEFAULT_WARMUP_S if given is None else given


def transport(config: Config, where: str) -> str:
    """The transport in use; ``local`` if no frame leaves its endpoint."""
    if where == ENDPOINT:
        return LOCAL
    return HTTP if config.execution_model.maybe_text("model") else config.benchmark.text("transport")


def frame_size(text: str | None) -> tuple[int, int] | None:
    """Width and height of ``640x480``; None for the model's input size; ValueError for other text."""
    if text is None:
        return None
    parts = text.lower().replace(" ", "").split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError('not a width and a height; write e.g. "640x480"')
    width, height = int(parts[0]), int(parts[1])
    if not (8 <= width <= 8192 and 8 <= height <= 8192):
        raise ValueError("each side must be 8 to 8192 pixels")
    return width, height
