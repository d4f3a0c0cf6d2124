"""The resource manager ``kubeedge``: CloudCore on a Kubernetes cluster, EdgeCore on edge nodes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import Problem
from continuum.modules.plan import Plan
from continuum.options import Option
from continuum.rundir.run import Run
from continuum.software import artifacts
from continuum.software.artifacts import Artifact
from resource_manager.kubeedge import checks
from resource_manager.kubeedge.options import OPTIONS
from resource_manager.kubernetes.api import Kubernetes, no_download

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

NETWORK = "bridge"


class KubeEdge(Kubernetes):
    """Makes a cluster of the cloud by kubeadm, lets edge nodes join by KubeEdge, runs workloads in pods."""

    summary: ClassVar[str] = "KubeEdge: edge nodes of a Kubernetes cluster that work on without the cloud"
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    offers: ClassVar[tuple[str, ...]] = ()

    def check(self, config: Config) -> Iterable[Problem]:
        """Too few or too small nodes, or a version that does not exist."""
        return list(checks.check(config))

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """The checks of ``kubernetes``, and a warning if KubeEdge's programs would have to be downloaded."""
        yield from super().probe(config, host)
        if config.infrastructure.path("artifact_dir") is None:
            message = no_download("edgecore, keadm", config)
            yield config.benchmark.problem("resource_manager", message, "warning")

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The files of a cluster of the chosen version, and of KubeEdge."""
        chosen = config.benchmark.maybe_text(checks.VERSION_KEY)
        own = artifacts.versions(checks.HERE, chosen, artifacts.architecture_of(config))
        return (*super().artifacts(config), *own)

    def network(self, config: Config) -> str:
        """Plain bridges, which need no daemon when an edge node has lost the cloud."""
        return NETWORK

    def make(self, deployment: Deployment, plan: Plan, run: Run, *, shaped: bool) -> Path:
        """Make the cluster and wait until all of its nodes are Ready, including those of the edge."""
        from resource_manager.kubeedge import edge_install

        return edge_install.install(deployment, plan, run, self.artifacts(run.config), shaped=shaped)

    def collect(self, deployment: Deployment, run: Run) -> None:
        """Nothing: there is no monitoring."""
        return
