"""The two engines behind their common interface."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.errors import HostError, Problem
from continuum.model.topology import Link
from continuum.network import baseline_delay, netem
from continuum.network.engine import Engine, NoEngine
from continuum.network.fabric.client import Client, launch
from continuum.network.plan import routes, tier_links

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


def open_engine(name: str) -> Engine:
    """The engine of that name; the empty name is that of links that are not emulated."""
    if name == FabricEngine.name:
        return FabricEngine()
    if name == NetemEngine.name:
        return NetemEngine()
    return NoEngine()


def choose_engine(requested: str, supported: Sequence[str], *, own_kernel: bool) -> Engine:
    """The engine for a run.

    Args:
        requested: ``auto`` or an engine's name.
        supported: engines that the provider's nodes can use, the preferred one first.
        own_kernel: whether nodes have kernels of their own, so that this host's does not matter.

    Raises:
        HostError: the requested one, or every one, does not work here.
    """
    return open_engine(choose(requested, supported, {} if own_kernel else capabilities()))


def choose(requested: str, supported: Sequence[str], lacks: Mapping[str, str]) -> str:
    """The name of the engine to use; empty when the provider's nodes need none.

    Args:
        requested: ``auto`` or an engine's name.
        supported: engines that the provider's nodes can use, the preferred one first.
        lacks: what this host lacks for each engine; an empty text for one that works.

    Raises:
        HostError: the one that is asked for, or every one, does not work here.
    """
    if requested not in ("auto", *supported):
        if not supported:
            return ""
        remedy = " or ".join(f'"{name}"' for name in ("auto", *supported))
        raise HostError(f'network_engine = "{requested}": this provider cannot use it; write {remedy}')
    candidates = supported if requested == "auto" else (requested,)
    for name in candidates:
        if not lacks.get(name):
            return name
    if not candidates:
        return ""
    raise HostError([Problem(f"network engine {name}: {lacks[name]}") for name in candidates])


def capabilities(root: Path = Path("/")) -> dict[str, str]:
    """What this host lacks for each engine, with the remedy; an empty text for one that works.

    Reads files below ``root`` only. Of use for nodes that share this host's kernel.
    """
    tun = root / "dev/net/tun"
    fabric = ""
    if not tun.exists():
        fabric = "there is no /dev/net/tun; run: modprobe tun"
    elif not os.access(tun, os.R_OK | os.W_OK):
        fabric = "/dev/net/tun may not be used; run: chmod 666 /dev/net/tun"
    missing = [name for name in ("sch_htb", "sch_netem", "cls_u32") if not _has_module(root, name)]
    netem = f"the kernel has no {', '.join(missing)}; use the fabric" if missing else ""
    return {"fabric": fabric, "netem": netem}


def _has_module(root: Path, name: str) -> bool:
    """Whether a part of the kernel is loaded, built in, or there to be loaded."""
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
    """The options the kernel was built with, where it tells; parts without parameters show only here."""
    import gzip

    try:
        return gzip.decompress((root / "proc/config.gz").read_bytes()).decode("ascii", "replace")
    except OSError:
        return ""
