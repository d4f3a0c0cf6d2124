"""The provider ``local``: creates, limits and destroys nodes that are namespaces of this host."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.namespace import NamespaceConnection, Target
from continuum.errors import ProvisionError
from continuum.module import Node, Provider
from continuum.topology import NodeSpec
from infrastructure.local import mounts, processes
from infrastructure.local.keeper.plan import NodePlan, Plan
from infrastructure.local.launch import Launch, Made

if TYPE_CHECKING:
    from continuum.network.fabric.client import Client
    from continuum.rundir import Run

CHECKOUT = Path(__file__).resolve().parents[2]
FIRST_ADDRESS = IPv4Address("10.77.0.1")
"""Address of the first node; the network of a run is its /16, visible in its nodes alone."""

NODE_FILES = "nodes"
MAX_NODES = 65_000


class LocalProvider(Provider):
    """Nodes are namespaces of this host."""

    summary: ClassVar[str] = "namespaces of this host: a hundred nodes in well under a second, no daemon"
    engines: ClassVar[tuple[str, ...]] = ("fabric",)

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make the nodes, their limits but for CPU time, and attach them to the run's fabric.

        Raises:
            ProvisionError: a node could not be made; nothing of it outlives this process.
        """
        from continuum.network.fabric.client import Client

        if len(specs) > MAX_NODES:
            raise ProvisionError(f"{len(specs)} nodes: a run's network holds {MAX_NODES}")
        addresses = {spec.name: str(FIRST_ADDRESS + index) for index, spec in enumerate(specs)}
        folder = run.directory / NODE_FILES
        run.own_all([("keeper", run.id), ("node-files", str(folder))])
        folder.mkdir(mode=0o700)
        launch = Launch(_plan(specs, addresses, run), folder / "plan.json", run.log("keeper"))
        try:
            with Client(run.directory) as fabric:
                made = launch.nodes(lambda batch, fds: _attach(fabric, specs, addresses, batch, fds))
            launch.accept()
        finally:
            launch.close()
        return tuple(Node(spec, addresses[spec.name], _handle(made[spec.name])) for spec in specs)

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End the nodes' processes, remove their control groups and files."""
        processes.end_all(run.id, also_outside_nodes=not run.directory.is_dir())
        folder = run.directory / NODE_FILES
        if folder.is_dir():
            _remove_files(folder)

    def connect(self, node: Node, run: Run) -> NamespaceConnection:
        """A connection to a node that exists, from its handle alone."""
        handle = node.handle
        return NamespaceConnection(
            Target(
                node=node.name,
                run_id=run.id,
                pid=int(handle["pid"]),
                start=int(handle["start"]),
                in_user_namespace=bool(handle["as_user"]),
                python=str(handle["python"]),
            )
        )


def _plan(specs: Sequence[NodeSpec], addresses: dict[str, str], run: Run) -> Plan:
    mounted = mounts.parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    needed = (sys.prefix, sys.base_prefix, str(CHECKOUT), str(Path(sys.executable).resolve().parent.parent))
    return Plan(
        run_id=run.id,
        directory=str(run.directory),
        nodes=tuple(NodePlan(spec.name, addresses[spec.name]) for spec in specs),
        overlaid=mounts.overlaid(mounted),
        shown=mounts.shown(needed),
    )


def _attach(
    fabric: Client,
    specs: Sequence[NodeSpec],
    addresses: dict[str, str],
    batch: Sequence[Made],
    descriptors: Sequence[int],
) -> None:
    tiers = {spec.name: spec.tier for spec in specs}
    fabric.attach([(one.name, tiers[one.name], addresses[one.name]) for one in batch], descriptors)


def _handle(made: Made) -> dict[str, object]:
    return {"pid": made.pid, "start": made.start, "as_user": False, "python": sys.executable}


def _remove_files(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ProvisionError(f"{folder}: cannot be removed: {error}") from error
