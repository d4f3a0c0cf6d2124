"""Nodes of the provider ``local`` for a test, made as the pipeline makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.model.node import Node, Usage
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.network.fabric import ending
from continuum.pipeline.steps import engine_for
from continuum.rundir import run as rundir
from continuum.rundir.run import Run

if TYPE_CHECKING:
    import pytest

TEXT = """
[infrastructure]
provider = local
infra_only = True
base_path = {base}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = {memory} MiB
endpoint_nodes = {endpoints}
endpoint_cores = 1
endpoint_memory = {memory} MiB
{more}
"""


@dataclass
class Nodes:
    """Nodes that exist, and what made them."""

    provider: Provider
    run: Run
    nodes: tuple[Node, ...]
    connections: dict[str, Connection] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Connection:
        return self.connections[name]

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def usage(self) -> Mapping[str, Usage]:
        """What each node has used so far."""
        topology = topology_builder.from_config(self.run.config)
        return self.provider.usage(Deployment(topology, self.nodes, self.connections), self.run)

    def destroy(self) -> None:
        destroy(self.provider, self.run)


def new_run(base: Path, *, endpoints: int = 1, memory: int = 128, more: str = "") -> Run:
    """A run that has a folder and nothing else."""
    base.mkdir(parents=True, exist_ok=True)
    file = base / "nodes.cfg"
    file.write_text(TEXT.format(base=base, endpoints=endpoints, memory=memory, more=more))
    return rundir.create(config.load(file))


def make(run: Run) -> Nodes:
    """Create what the run's config asks for."""
    provider = registry.provider("local")
    engine = engine_for(run.config, provider)
    run.update_state(engine=engine.name)
    engine.prepare(run)
    nodes = provider.create(topology_builder.from_config(run.config).nodes, run)
    return Nodes(provider, run, nodes, {node.name: provider.connect(node, run) for node in nodes})


def destroy(provider: Provider, run: Run) -> None:
    """What teardown does."""
    provider.destroy(run, run.owned())
    ending.end(run.directory, run.id)


@contextmanager
def nodes(base: Path, *, endpoints: int = 1, memory: int = 128, more: str = "") -> Iterator[Nodes]:
    """Nodes for the time of a test."""
    run = new_run(base, endpoints=endpoints, memory=memory, more=more)
    try:
        yield make(run)
    finally:
        destroy(registry.provider("local"), run)
        run.unlock()


@contextmanager
def shared_nodes(factory: pytest.TempPathFactory, *, endpoints: int = 1, more: str = "") -> Iterator[Nodes]:
    """Nodes for all tests of a module, with a state folder of their own."""
    import pytest  # which an ordinary user who runs this may not have

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(factory.mktemp("state")))
        with nodes(factory.mktemp("local"), endpoints=endpoints, more=more) as made:
            yield made
