"""The two engines behind their common interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from continuum.network import baseline_delay, netem
from continuum.network.fabric.client import Client, launch
from continuum.network.engine import Engine
from continuum.network.plan import routes, tier_links
from continuum.model.topology import Link

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.rundir.run import Run

FABRIC_KIND = "fabric"
"""Kind of the journal's entry for a run's fabric process; its id is the run's."""


class FabricEngine(Engine):
    """One process of this project's own moves the packets (see ``fabric``)."""

    name = "fabric"

    def prepare(self, run: Run) -> None:
        """Start the process; providers attach their nodes to it."""
        run.own(FABRIC_KIND, run.id)
        launch(run.directory, run.id, run.seed)

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Put every link of the topology in force."""
        self.change(deployment, run, tier_links(deployment.topology))

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links; packets on their way keep their time."""
        with Client(run.directory) as client:
            client.shape(links)

    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """Counters per ordered pair of tiers, and of the process."""
        with Client(run.directory) as client:
            return client.stats()

    def remove(self, deployment: Deployment, run: Run) -> None:
        """Make every link a plain wire."""
        self.change(deployment, run, [Link(*pair) for pair in deployment.topology.tier_pairs()])


class NetemEngine(Engine):
    """The kernel's own traffic control, on every node's egress (see ``netem``)."""

    name = "netem"

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Put every link of the topology in force, on all nodes at once."""
        numbers = netem.class_numbers(deployment.topology)
        ways = baseline_delay.rest(deployment, routes(deployment.topology, _addresses(deployment)))
        netem.execute(deployment, netem.by_node(deployment, ways, numbers, fresh=True), fresh=True)

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Replace the classes and queues that the links concern."""
        numbers = netem.class_numbers(deployment.topology)
        ways = baseline_delay.rest(deployment, routes(deployment.topology, _addresses(deployment), links))
        netem.execute(deployment, netem.by_node(deployment, ways, numbers, fresh=False), fresh=False)

    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """What ``tc -s qdisc`` says on every node."""
        return netem.statistics(deployment)

    def remove(self, deployment: Deployment, run: Run) -> None:
        """Take every queue away."""
        netem.remove(deployment)


def _addresses(deployment: Deployment) -> dict[str, str]:
    return {node.name: node.address for node in deployment.nodes}
