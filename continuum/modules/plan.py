"""The plan of a run: everything that follows from its config before anything exists."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.model.config import Config
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.software.artifacts import Artifact


@dataclass(frozen=True)
class Plan:
    """What a config asks for. Made once, after the config is checked, and handed to every phase.

    Attributes:
        config: the checked config.
        topology: nodes and links to create, with what the resource manager demands of the nodes.
        offered: the part of the topology that applications may use; a resource manager may keep nodes for
            itself, such as a control plane.
        workloads: what the application runs, as the execution model arranges it; empty without application.
        stages: the stages a request passes through, in order; empty without application.
        servers: requests that all workers together can process at the same time; 0 without application.
        artifacts: files that the modules install on nodes.
        packages: Debian packages that the modules and the workloads install on nodes.
    """

    config: Config
    topology: Topology
    offered: Topology
    workloads: tuple[Workload, ...] = ()
    stages: tuple[str, ...] = ()
    servers: int = 0
    artifacts: tuple[Artifact, ...] = ()
    packages: tuple[str, ...] = ()
