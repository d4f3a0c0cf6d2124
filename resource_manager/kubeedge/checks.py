"""Checks of the nodes and the version of a KubeEdge cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import Problem
from continuum.software import artifacts
from resource_manager.kubernetes.api import check_cluster

if TYPE_CHECKING:
    from continuum.model.config import Config

HERE = Path(__file__).parent
VERSION_KEY = "kubeedge_version"


def check(config: Config) -> Iterator[Problem]:
    """Every problem with the nodes and the version."""
    yield from artifacts.check_version(config.benchmark, VERSION_KEY, HERE)
    if not config.tiers["edge"].integer("nodes"):
        message = 'kubeedge needs edge nodes, on which EdgeCore runs; write "edge_nodes = 1"'
        yield config.benchmark.problem("resource_manager", message)
    yield from check_cluster(config)
