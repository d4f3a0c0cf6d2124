"""OpenFaaS as an execution model: checks, artifacts, and its two forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import Problem, UsageError
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.modules.resource_manager import ResourceManager
from continuum.options import Integer, Option, Text
from continuum.rundir.run import Run
from continuum.software import artifacts
from continuum.software.artifacts import Artifact
from execution_model.openfaas import single_node

if TYPE_CHECKING:
    from continuum.model.config import Config

HERE = Path(__file__).parent
STAGE = "gateway"
CLUSTER = "kubernetes"
CLUSTER_ONLY = ("faas-netes",)
SECTION = "execution_model"


class OpenFaas(ExecutionModel):
    """Functions behind OpenFaaS's gateway, each started by its watchdog.

    On Kubernetes the gateway deploys and scales them. On resource managers that start workloads directly on
    nodes, every node with a function has its own gateway, as with faasd.
    """

    summary = "OpenFaaS: workers are functions behind a gateway"
    needs = (CLUSTER, single_node.NEEDS)
    stage = STAGE
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            SECTION,
            "openfaas_version",
            Text(),
            None,
            "Release of OpenFaaS, by the version of its gateway.",
            default_text="the one in `versions.yml`",
        ),
        Option(
            SECTION,
            "openfaas_replicas",
            Integer(1, 1000),
            None,
            "Pods of the function.",
            default_text="`applications_per_worker` for each worker node",
        ),
        Option(
            SECTION,
            "openfaas_cold_starts",
            Integer(0, 100),
            0,
            "Number of scalings from zero before the benchmark, whose duration is measured.",
        ),
    )

    def check(self, config: Config) -> Iterable[Problem]:
        """An unknown release, and keys that the resource manager does not support."""
        return list(_problems(config))

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The images of gateway and watchdog, and on a cluster of the provider."""
        chosen = config.execution_model.maybe_text("openfaas_version")
        every = artifacts.versions(HERE, chosen, artifacts.architecture_of(config))
        return tuple(one for one in every if _on_cluster(config) or one.name not in CLUSTER_ONLY)

    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        """Workers become functions, and their clients send requests to a gateway."""
        if not _on_cluster(config):
            return single_node.arrange(workloads, STAGE)
        from execution_model.openfaas import on_kubernetes

        return on_kubernetes.arrange(workloads, topology, STAGE)

    def servers(self, servers: int, workloads: Sequence[Workload], topology: Topology, config: Config) -> int:
        """The number of the function's pods."""
        given = config.execution_model.maybe_integer("openfaas_replicas")
        if given is None:
            return servers
        places = sum(
            len(topology.nodes_of(one.tier)) * one.replicas_per_node for one in workloads if one.answers_http
        )
        return servers * given // places if places else servers

    def install(self, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run) -> None:
        """Start gateway and provider on a cluster; nothing without one."""
        if _on_cluster(run.config):
            from execution_model.openfaas import on_kubernetes

            on_kubernetes.install(deployment, plan, run, self.artifacts(run.config))

    def submit(
        self, workload: Workload, manager: ResourceManager, deployment: Deployment, plan: Plan, run: Run
    ) -> Job:
        """Start a workload: functions through the gateway, or with OpenFaaS's programs among their files."""
        needed = self.artifacts(run.config)
        if not _on_cluster(run.config):
            return manager.submit(single_node.furnish(workload, needed, run), deployment, run)
        if not workload.answers_http:
            return manager.submit(workload, deployment, run)
        from execution_model.openfaas import on_kubernetes

        return on_kubernetes.start_function(workload, deployment, plan, run, needed)


def _problems(config: Config) -> Iterator[Problem]:
    yield from artifacts.check_version(config.execution_model, "openfaas_version", HERE)
    if not _on_cluster(config):
        yield from single_node.check(config)


def _on_cluster(config: Config) -> bool:
    """Whether the resource manager is a cluster in which OpenFaaS runs."""
    try:
        return CLUSTER in registry.resource_manager(config.benchmark.text("resource_manager")).offers
    except UsageError:
        return False  # an unknown manager is reported by other checks
