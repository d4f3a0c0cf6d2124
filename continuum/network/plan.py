"""What shall be emulated between which nodes, and which engine does it. Pure, but for the engines' deeds."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.errors import HostError, Problem
from continuum.model.topology import Link, Topology

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.connection.deployment import Deployment
    from continuum.modules.provider import Provider
    from continuum.rundir.run import Run


@dataclass(frozen=True)
class Route:
    """The way from one node to another.

    Attributes:
        src: node that sends.
        dst: node that receives.
        address: IPv4 address of the receiver.
        link: what happens on the way.
    """

    src: str
    dst: str
    address: str
    link: Link


def tier_links(topology: Topology) -> tuple[Link, ...]:
    """The links between tiers to put in force; plain wires where nothing is to be emulated."""
    pairs = topology.tier_pairs()
    if not topology.emulated:
        return tuple(Link(src, dst) for src, dst in pairs)
    return tuple(topology.link(src, dst) for src, dst in pairs)


def routes(
    topology: Topology, addresses: Mapping[str, str], links: Sequence[Link] | None = None
) -> Iterator[Route]:
    """The way between every ordered pair of nodes, grouped by the node that sends.

    Args:
        topology: the nodes.
        addresses: IPv4 address of each, by its name.
        links: only the ways that these concern (``src`` and ``dst`` name a tier or a node, and a node's
            link goes before its tier's); all of the topology's if None.
    """
    chosen = tier_links(topology) if links is None else links
    table = {(link.src, link.dst): link for link in chosen}
    for src in topology.nodes:
        for dst in topology.nodes:
            keys = ((src.name, dst.name), (src.name, dst.tier), (src.tier, dst.name), (src.tier, dst.tier))
            link = next((table[key] for key in keys if key in table), None)
            if link is not None and src.name != dst.name:
                yield Route(src.name, dst.name, addresses[dst.name], link)


class Engine(ABC):
    """Emulates the links of a run.

    Attributes:
        name: as in ``network_engine``.
    """

    name: ClassVar[str]

    def prepare(self, run: Run) -> None:
        """Set up what nodes need to find when they are made."""
        return

    @abstractmethod
    def shape(self, deployment: Deployment, run: Run) -> None:
        """Put every link of the topology in force; ProvisionError when it cannot be done."""

    @abstractmethod
    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Change links while traffic flows; ``src`` and ``dst`` name a tier or a node."""

    @abstractmethod
    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """What the engine counted so far, in its own words."""

    @abstractmethod
    def remove(self, deployment: Deployment, run: Run) -> None:
        """Make every link a plain wire again."""


class NoEngine(Engine):
    """For providers whose nodes have real links, and for those without any."""

    name = ""

    def shape(self, deployment: Deployment, run: Run) -> None:
        """Nothing is emulated."""

    def change(self, deployment: Deployment, run: Run, links: Sequence[Link]) -> None:
        """Nothing can be changed."""
        raise HostError("the links of this run are not emulated, so they cannot be changed")

    def stats(self, deployment: Deployment, run: Run) -> Mapping[str, Any]:
        """Nothing was counted."""
        return {}

    def remove(self, deployment: Deployment, run: Run) -> None:
        """Nothing is there."""


def open_engine(name: str) -> Engine:
    """The engine of that name; the empty name is that of links that are not emulated."""
    if name == "fabric":
        from continuum.network.engines import FabricEngine

        return FabricEngine()
    if name == "netem":
        from continuum.network.engines import NetemEngine

        return NetemEngine()
    return NoEngine()


def choose_engine(config: Config, provider: Provider) -> Engine:
    """The engine for a run.

    Raises:
        HostError: the one that is asked for, or every one, does not work here.
    """
    requested = config.infrastructure.text("network_engine")
    if provider.real_network and not config.infrastructure.flag("network_emulation"):
        return NoEngine()
    lacks = {} if provider.own_kernel else capabilities()
    return open_engine(choose(requested, provider.engines, lacks))


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
