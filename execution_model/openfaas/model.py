"""OpenFaaS as an execution model: checks, artifacts, and which form it takes on a resource manager."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum import artifacts
from continuum.artifacts import Artifact
from continuum.errors import Problem
from continuum.module import Deployment, ExecutionModel, Job, ResourceManager, Workload
from continuum.options import Option, Text
from continuum.rundir import Run
from continuum.topology import Topology
from execution_model.openfaas import single_node

if TYPE_CHECKING:
    from continuum.config import Config

HERE = Path(__file__).parent
STAGE = "gateway"


class OpenFaas(ExecutionModel):
    """Functions behind OpenFaaS's gateway, each kept by its watchdog.

    Where workloads are started on nodes as they are, every node that runs a function has a gateway of its
    own, as with faasd.
    """

    summary = "OpenFaaS: workers are functions behind a gateway"
    needs = (single_node.NEEDS,)
    stage = STAGE
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "execution_model",
            "openfaas_version",
            Text(),
            None,
            "Release of OpenFaaS, by the version of its gateway.",
            default_text="the one in `versions.yml`",
        ),
    )

    def check(self, config: Config) -> Iterable[Problem]:
        """Whether the release is known, and one function a node is all that is asked for."""
        yield from artifacts.check_version(config.execution_model, "openfaas_version", HERE)
        yield from single_node.check(config)

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """Gateway and watchdog."""
        chosen = config.execution_model.maybe_text("openfaas_version")
        return artifacts.versions(HERE, chosen, artifacts.architecture_of(config))

    def arrange(
        self, workloads: Sequence[Workload], topology: Topology, config: Config
    ) -> tuple[Workload, ...]:
        """Every worker as a function, a gateway before it, and whoever asks it sent to the gateway."""
        return single_node.arrange(workloads, STAGE)

    def submit(self, workload: Workload, manager: ResourceManager, deployment: Deployment, run: Run) -> Job:
        """Start a workload, with the programs that it needs beside it."""
        needed = self.artifacts(run.config)
        return manager.submit(single_node.furnish(workload, needed, run), deployment, run)
