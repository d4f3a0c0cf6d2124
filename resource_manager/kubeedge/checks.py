"""What in a config cannot become a cluster with an edge: pure."""

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
    """Every problem."""
    yield from artifacts.check_version(config.benchmark, VERSION_KEY, HERE)
    if not config.tiers["edge"].integer("nodes"):
        message = 'kubeedge needs edge nodes, which EdgeCore runs on; write "edge_nodes = 1"'
        yield config.benchmark.problem("resource_manager", message)
    yield from check_cluster(config)
