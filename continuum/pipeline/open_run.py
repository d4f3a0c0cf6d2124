"""Opens a run again: its nodes and its links, from ``state.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from continuum.config import loader
from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.errors import UsageError
from continuum.model.node import Node, node_from_json
from continuum.model.topology import Link, NodeSpec, Tier, Topology
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.rundir import run as runs
from continuum.rundir.run import Run


def load(directory: Path) -> Run:
    """The run in a folder; it reads its config at the first use.

    Raises:
        UsageError: the folder is not a run directory.
        HostError: it belongs to another user, or another user can replace it.
    """
    return runs.load(directory, loader.parse)


def find(name: str) -> Run:
    """The run given by its id, a unique part of its id, or its path; errors as in ``load``."""
    return load(runs.find(name))


def nodes(run: Run) -> tuple[Node, ...]:
    """The nodes of a run that is up; UsageError if it is not, or if its state is damaged."""
    state = run.state()
    if state.get("status") not in {"up", "running"} or not state.get("nodes"):
        msg = f"run {run.id} is not up (status: {state.get('status', 'unknown')})"
        raise UsageError(msg)
    with _damage_reported(run):
        return tuple(node_from_json(node) for node in state["nodes"])


def links(run: Run) -> tuple[Link, ...]:
    """The links as they are now, changes included; those of single nodes after those of tiers."""
    with _damage_reported(run):
        return tuple(Link(**link) for link in run.state().get("links", []))


@contextmanager
def _damage_reported(run: Run) -> Iterator[None]:
    """Convert errors of values with unexpected types to UsageError."""
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{run.directory / 'state.json'}: damaged ({error!r}); "
            f"to remove the run: continuum destroy {run.id}"
        ) from error


def deployment(run: Run) -> Deployment:
    """A run that is up, as the pipeline left it."""
    existing = nodes(run)
    specs = tuple(node.spec for node in existing)
    tiers = tuple(_tier(specs, name) for name in dict.fromkeys(spec.tier for spec in specs))
    provider = _provider(run)
    with _damage_reported(run):
        return Deployment(
            Topology(tiers, specs, links(run), emulated=True),
            existing,
            {node.name: provider.connect(node, run) for node in existing},
            str(run.state().get("engine", "")),
            {(src, dst): delay_ms for src, dst, delay_ms in run.state().get("native_delays_ms", [])},
            bool(run.state().get("native_refuses", True)),
        )


def _provider(run: Run) -> Provider:
    """The provider of a run; UsageError if its state names none that exists."""
    return registry.provider(str(run.state().get("provider", "")))


def _tier(specs: Sequence[NodeSpec], name: str) -> Tier:
    """A tier as its nodes show it."""
    members = [spec for spec in specs if spec.tier == name]
    first = members[0]
    return Tier(
        name=name,
        count=len(members),
        cores=first.cores,
        memory_mb=first.memory_mb,
        quota=first.quota,
        read_mb_per_s=first.read_mb_per_s,
        write_mb_per_s=first.write_mb_per_s,
    )


@contextmanager
def connect(run_name: str, node_name: str) -> Iterator[Connection]:
    """A connection to one node of a run that is up."""
    run = find(run_name)
    existing = nodes(run)
    for node in existing:
        if node.name == node_name:
            with _damage_reported(run):
                connection = _provider(run).connect(node, run)
            try:
                yield connection
            finally:
                connection.close()
            return
    names = [node.name for node in existing]
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    msg = f"run {run.id} has no node {node_name!r}; there are: {shown}"
    raise UsageError(msg)
