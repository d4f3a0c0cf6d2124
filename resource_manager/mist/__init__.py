"""The resource manager ``mist``: edge nodes serve endpoints, without a cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.deployment import Deployment
from continuum.errors import Problem
from continuum.modules.plan import Plan
from continuum.options import Option, Texts
from continuum.rundir.run import Run
from continuum.software import playbooks
from resource_manager.none.manager import NoManager

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

WORKERS = "edge"
PLAYBOOK = Path(__file__).parent / "playbooks" / "install.yml"


class Mist(NoManager):
    """Prepares edge nodes by a playbook, then starts workloads on them directly, as ``none`` does."""

    summary: ClassVar[str] = "mist computing: edge nodes serve endpoints without a cloud"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "benchmark",
            "mist_packages",
            Texts(),
            (),
            "Debian packages to install on edge nodes before workers are started there.",
            default_text="none",
        ),
    )

    def check(self, config: Config) -> Iterable[Problem]:
        """Missing edge nodes or endpoints, and cloud nodes, which mist has not."""
        return list(_problems(config))

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """Missing packages for running playbooks."""
        if lack := playbooks.missing_requirement():
            yield config.benchmark.problem("resource_manager", lack)

    def packages(self, config: Config) -> tuple[str, ...]:
        """The packages in ``mist_packages``."""
        return config.benchmark.texts("mist_packages")

    def install(self, deployment: Deployment, plan: Plan, run: Run) -> Deployment:
        """Prepare the edge nodes by the playbook."""
        playbooks.play(
            PLAYBOOK,
            deployment,
            run,
            nodes=[node.name for node in deployment.nodes_of(WORKERS)],
            variables={"mist_packages": list(run.config.benchmark.texts("mist_packages"))},
        )
        return deployment


def _problems(config: Config) -> Iterator[Problem]:
    cloud = config.tiers["cloud"]
    if cloud.integer("nodes"):
        yield cloud.problem("nodes", "resource manager mist has no cloud; remove the cloud nodes")
    for tier, purpose in ((WORKERS, "to run workers on"), ("endpoint", "for edge nodes to serve")):
        if not config.tiers[tier].integer("nodes"):
            remedy = f'write e.g. "{tier}_nodes = 1"'
            message = f"resource manager mist needs {tier} nodes {purpose}; {remedy}"
            yield config.benchmark.problem("resource_manager", message)


MODULE = Mist
