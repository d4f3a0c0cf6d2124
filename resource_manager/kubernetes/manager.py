"""The resource manager ``kubernetes``: a cluster of the nodes, workloads in its pods."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import Problem
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.modules.resource_manager import ResourceManager
from continuum.options import Option
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from resource_manager.kubernetes import checks, cluster_nodes, kube_version, runtime_probe, runtimes
from resource_manager.kubernetes.options import OPTIONS

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

HERE = Path(__file__).parent
API_PORT = 6443
NETWORKS = {"flannel"}
PACKAGED = ("cni-plugins",)
"""Artifacts that nodes have from Debian packages instead."""


class Kubernetes(ResourceManager):
    """Makes a cluster of the nodes by kubeadm and runs workloads in its pods."""

    summary: ClassVar[str] = "a Kubernetes cluster, made by kubeadm; workloads run in its pods"
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    runs_containers: ClassVar[bool] = True
    offers: ClassVar[tuple[str, ...]] = ("kubernetes",)

    def check(self, config: Config) -> Iterable[Problem]:
        """Too few or too small nodes, a version that does not exist, keys that contradict each other."""
        return [*checks.check(config), *runtimes.check(config)]

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """Missing playbooks or API client, and nodes that cannot run the container runtime."""
        return [*_missing(config, host), *runtime_probe.probe(config, host)]

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The files of a cluster of the chosen version, and of its container runtime."""
        chosen = kube_version.chosen(config.benchmark)
        every = artifacts.versions(HERE, chosen, artifacts.architecture_of(config))
        unused = NETWORKS - {self.network(config)}
        wanted = (one for one in every if one.name not in PACKAGED and one.name.split("-")[0] not in unused)
        return (*wanted, *runtimes.needed(config))

    def network(self, config: Config) -> str:
        """The network of pods: ``bridge`` or ``flannel``."""
        return config.benchmark.text("kube_network")

    def demand(self, topology: Topology, config: Config) -> Topology:
        """Nodes of the cluster can host containers, and reach each other without emulation."""
        return cluster_nodes.demand(topology, managed=not config.benchmark.flag("shape_management"))

    def offer(self, topology: Topology, config: Config) -> Topology:
        """All nodes but the control plane."""
        return cluster_nodes.offer(topology)

    def packs(self, workload: Workload) -> bool:
        """Workloads in pods have their programs in their image."""
        return workload.tier != cluster_nodes.OUTSIDE

    def install(self, deployment: Deployment, plan: Plan, run: Run) -> Deployment:
        """Make the cluster and wait until all of its nodes are Ready."""
        kubeconfig = self.make(deployment, plan, run, shaped=run.config.benchmark.flag("shape_management"))
        if run.config.benchmark.flag("resource_manager_only"):
            control_plane = cluster_nodes.members(deployment.nodes, shape_management=False)[0].name
            run.tell(f"kubeconfig: {kubeconfig}")
            run.tell(f"reach the API from here: continuum forward {run.id} {control_plane} {API_PORT}")
        return deployment

    def make(self, deployment: Deployment, plan: Plan, run: Run, *, shaped: bool) -> Path:
        """Make the cluster and wait until it is Ready; returns the path of its kubeconfig."""
        from resource_manager.kubernetes import cluster_install

        return cluster_install.install(deployment, plan, run, self.artifacts(run.config), shaped=shaped)

    def collect(self, deployment: Deployment, run: Run) -> None:
        """Write the series of monitoring to the run's folder, with ``observability``."""
        if run.config.benchmark.flag("observability"):
            from resource_manager.kubernetes import monitoring

            control_plane = cluster_nodes.members(deployment.nodes, shape_management=False)[0].name
            monitoring.collect(deployment.connections[control_plane], run)

    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload in pods, or directly on nodes that are not part of the cluster."""
        from resource_manager.kubernetes import submission

        return submission.submit(workload, deployment, run)


def _missing(config: Config, host: Host) -> Iterator[Problem]:
    if lack := playbooks.missing_requirement():
        yield config.benchmark.problem("resource_manager", lack)
    if importlib.util.find_spec("kubernetes") is None:
        from resource_manager.kubernetes.api_client import MISSING

        yield config.benchmark.problem("resource_manager", MISSING)
    applied = not config.benchmark.flag("resource_manager_only")
    if applied and host.find_command("mmdebstrap") is None:
        message = "images of workloads are built with mmdebstrap, which is missing; run: sudo apt-get install"
        yield config.benchmark.problem("resource_manager", f"{message} mmdebstrap")
