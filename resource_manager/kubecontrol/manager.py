"""The resource manager ``kubecontrol``: Kubernetes, whose control plane is what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import Problem
from continuum.model.workload import Workload
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.options import Option
from continuum.rundir.run import Run
from continuum.software import artifacts
from continuum.software.artifacts import Artifact
from resource_manager.kubecontrol import checks
from resource_manager.kubecontrol.options import OPTIONS
from resource_manager.kubernetes.api import Kubernetes, no_download

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

HERE = Path(__file__).parent


class KubeControl(Kubernetes):
    """A cluster as ``kubernetes`` makes it; pods are created one by one, and each has its timeline."""

    summary: ClassVar[str] = "what Kubernetes itself takes: the timeline of every pod, from creation to end"
    options: ClassVar[tuple[Option, ...]] = (*Kubernetes.options, *OPTIONS)

    def check(self, config: Config) -> Iterable[Problem]:
        """The checks of ``kubernetes``, and whether the control plane has memory for the simulated nodes."""
        return [*super().check(config), *checks.check(config)]

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """The checks of ``kubernetes``, and a warning where KWOK would have to be downloaded."""
        yield from super().probe(config, host)
        if config.benchmark.integer("kwok") and config.infrastructure.path("artifact_dir") is None:
            yield config.benchmark.problem("kwok", no_download("kwok", config), "warning")

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The files of a cluster of the chosen version, and KWOK where nodes are simulated."""
        return (*super().artifacts(config), *_kwok(config))

    def make(self, deployment: Deployment, plan: Plan, run: Run, *, shaped: bool) -> Path:
        """Make the cluster, add simulated nodes, and wait until all are Ready."""
        from resource_manager.kubecontrol import kwok_install

        kubeconfig = super().make(deployment, plan, run, shaped=shaped)
        if count := run.config.benchmark.integer("kwok"):
            kwok_install.add(deployment, run, _kwok(run.config), count)
        return kubeconfig

    def submit(self, workload: Workload, deployment: Deployment, run: Run) -> Job:
        """Start a workload in pods that are created one by one; one that serves, as ``kubernetes`` does."""
        from resource_manager.kubecontrol.pod_submission import PodSubmission
        from resource_manager.kubernetes.api import submit

        return submit(workload, deployment, run, None if workload.serves else PodSubmission)


def _kwok(config: Config) -> tuple[Artifact, ...]:
    """KWOK, where it is used."""
    if not config.benchmark.integer("kwok"):
        return ()
    return artifacts.versions(HERE, architecture=artifacts.architecture_of(config))
