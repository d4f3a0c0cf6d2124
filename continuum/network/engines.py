"""The two network engines, and the choice between them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import HostError, Problem, ProvisionError
from continuum.model.fidelity import LinkTraffic
from continuum.model.topology import Link
from continuum.network import baseline_delay, netem
from continuum.network.engine import Engine, Health, NoEngine
from continuum.network.fabric.client import Client, launch
from continuum.network.routes import Route, routes

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.rundir.run import Run

NETEM_MODULES = ("sch_htb", "sch_netem", "cls_u32", "act_police")
"""What the kernel of nodes must have for the engine ``netem``."""

HEALTH_TIMEOUT_S = 2.0
"""A fabric that does not answer for so long counts as stalled; the next request follows."""

FABRIC_KIND = "fabric"
"""Kind of the journal entry for the fabric process of a run; its id is the run's id."""


class FabricEngine(Engine):
    """A process of this project moves the packets between nodes (see ``fabric``)."""

    name = "fabric"
    health_interval_s = 0.25
    tells_intended = True
    has_process = True

    def prepare(self, run: Run) -> None:
        """Start the process; providers attach their nodes to it."""
        run.own(FABRIC_KIND, run.id)
        launch(run.directory, run.id, run.seed)

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Apply every link of the topology."""
        self.change(deployment, run, deployment.topology.tier_links())

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links; packets in flight keep their arrival time."""
        with Client(run.directory) as client:
            client.shape(links)

    def health(self, deployment: Deployment, run: Run) -> Health:
        """Ask the process for its counters; both read the same clock, which shows how late it answers."""
        try:
            with Client(run.directory, timeout_s=HEALTH_TIMEOUT_S) as client:
                stats = client.stats()
                delay_s = max(0.0, stats["now_s"] - client.asked_s)
        except ProvisionError as error:
            late = isinstance(error.__cause__, TimeoutError)
            return Health(alive=late, delay_s=None, detail=str(error.__cause__ or error))
        return Health(
            alive=True,
            delay_s=delay_s,
            cpu_seconds=stats["cpu_seconds"],
            changes=stats["changes"],
            undeliverable=stats["undeliverable"],
            links=tuple(
                LinkTraffic(one["src"], one["dst"], one["packets"], one["lost"], one["dropped_queue"])
                for one in stats["links"]
            ),
        )

    def expect_probes(self, run: Run, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Let the process note the delays of these probes."""
        with Client(run.directory) as client:
            client.expect_probes(pairs)

    def intended_ms(self, run: Run) -> Mapping[tuple[int, int], float]:
        """The delays that the process has noted."""
        with Client(run.directory, timeout_s=HEALTH_TIMEOUT_S) as client:
            return {probe: 1e3 * delay_s for probe, delay_s in client.intended().items()}

    def applied(self, run: Run) -> tuple[Link, ...]:
        """The links that the process applies."""
        with Client(run.directory) as client:
            return client.applied()


class NetemEngine(Engine):
    """The kernel's traffic control, on the egress of every node (see ``netem``)."""

    name = "netem"
    health_interval_s = 30.0

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Apply every link of the topology, on all nodes in parallel."""
        paths = baseline_delay.rest(deployment, routes(deployment.topology, _addresses(deployment)))
        self._execute(deployment, paths, fresh=True)

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Replace the classes and queues of the paths that take these links."""
        paths = baseline_delay.rest(deployment, routes(deployment.topology, _addresses(deployment), links))
        self._execute(deployment, paths, fresh=False)

    def health(self, deployment: Deployment, run: Run) -> Health:
        """Whether the queues of every node that can be reached still exist; the kernel cannot stall."""
        missing = netem.nodes_without_root(deployment)
        return Health(alive=not missing, detail=f"no queue on {', '.join(missing)}" if missing else "")

    def _execute(self, deployment: Deployment, paths: Sequence[Route], *, fresh: bool) -> None:
        numbers = netem.class_numbers(deployment.topology)
        nested = netem.nested_nodes(deployment, (path.src for path in paths), fresh=fresh)
        commands = netem.by_node(deployment, paths, numbers, fresh=fresh, nested=nested)
        netem.execute(deployment, commands, fresh=fresh)


def _addresses(deployment: Deployment) -> dict[str, str]:
    return {node.name: node.address for node in deployment.nodes}


def open_engine(name: str) -> Engine:
    """The engine of that name; ``NoEngine`` for the empty name."""
    if name == FabricEngine.name:
        return FabricEngine()
    if name == NetemEngine.name:
        return NetemEngine()
    return NoEngine()


def choose_engine(requested: str, supported: Sequence[str], *, own_kernel: bool) -> Engine:
    """The engine for a run.

    Args:
        requested: ``auto`` or the name of an engine.
        supported: engines that the provider's nodes can use, in order of preference.
        own_kernel: whether nodes have their own kernels, so that this host's kernel is not checked.

    Raises:
        HostError: the requested engine, or with ``auto`` every supported one, does not work on this host.
    """
    return open_engine(choose(requested, supported, {} if own_kernel else capabilities()))


def choose(requested: str, supported: Sequence[str], missing: Mapping[str, str]) -> str:
    """The name of the engine to use; empty if the provider supports none.

    Args:
        requested: ``auto`` or the name of an engine.
        supported: engines that the provider's nodes can use, in order of preference.
        missing: by engine, what it requires and this host does not have; empty for an engine that works.

    Raises:
        HostError: the requested engine, or with ``auto`` every supported one, does not work on this host.
    """
    if requested not in ("auto", *supported):
        if not supported:
            return ""
        remedy = " or ".join(f'"{name}"' for name in ("auto", *supported))
        raise HostError(f'network_engine = "{requested}": not supported by this provider; write {remedy}')
    candidates = supported if requested == "auto" else (requested,)
    for name in candidates:
        if not missing.get(name):
            return name
    if not candidates:
        return ""
    raise HostError([Problem(f"network engine {name}: {missing[name]}") for name in candidates])


def capabilities(root: Path = Path("/")) -> dict[str, str]:
    """By engine, what it requires and this host does not have, with the remedy; empty if it works.

    Reads only files below ``root``. Applies to nodes that share this host's kernel.
    """
    tun = root / "dev/net/tun"
    fabric = ""
    if not tun.exists():
        fabric = "/dev/net/tun does not exist; run: modprobe tun"
    elif not os.access(tun, os.R_OK | os.W_OK):
        fabric = "no permission to use /dev/net/tun; run: chmod 666 /dev/net/tun"
    missing = [name for name in NETEM_MODULES if not has_module(name, root)]
    netem = f"the kernel has no {', '.join(missing)}; use the fabric engine" if missing else ""
    return {"fabric": fabric, "netem": netem}


def has_module(name: str, root: Path = Path("/")) -> bool:
    """Whether a kernel module is loaded, built in, or installed."""
    if (root / "sys/module" / name).is_dir():
        return True
    folder = root / "lib/modules" / os.uname().release
    for index in ("modules.builtin", "modules.dep"):
        try:
            text = (folder / index).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if any(f"/{name}.ko" in line.partition(":")[0] for line in text.splitlines()):
            return True
    return f"CONFIG_NET_{name.upper()}=y" in _kernel_config(root).splitlines()


def _kernel_config(root: Path) -> str:
    """The kernel's build options, empty if unavailable; some built-in modules show only here."""
    import gzip

    try:
        return gzip.decompress((root / "proc/config.gz").read_bytes()).decode("ascii", "replace")
    except OSError:
        return ""
