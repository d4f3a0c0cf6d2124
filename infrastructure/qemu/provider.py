"""The provider ``qemu``: creates, limits and destroys nodes that are virtual machines."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import ContinuumError, HostError, ProvisionError
from continuum.model.node import Node, Usage
from continuum.model.topology import NodeSpec
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from continuum.options import Option
from infrastructure.qemu import (
    creation,
    daemons,
    describe,
    fleet,
    image,
    inside,
    keys,
    names,
    probe,
    removal,
    settings,
)
from infrastructure.qemu.creation import DAEMON, KEYS
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.machines import Machine

if TYPE_CHECKING:
    from continuum.errors import Problem
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import Topology
    from continuum.rundir.run import Run
    from continuum.software.debian_image import ImageRequest


INTERPRETED_CIPHER = "aes128-ctr"
"""What an interpreted processor decrypts quickest, seven to ten times as quick as what ssh prefers."""


class QemuProvider(Provider):
    """Nodes are virtual machines under libvirt."""

    summary: ClassVar[str] = "virtual machines under libvirt, with kernels and clocks of their own"
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    slow_wires: ClassVar[bool] = True

    def __init__(self) -> None:
        self._notes: dict[str, list[str]] = {}

    def check(self, config: Config) -> Iterable[Problem]:
        """What in the config cannot work."""
        return list(settings.problems(config.infrastructure))

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host lacks for these guests, each with its remedy."""
        return list(probe.problems(config, host))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this host can do for guests."""
        return list(probe.findings(host))

    def placement(self, config: Config, topology: Topology) -> Mapping[str, str]:
        """On which machine each node would be put now; empty where there is one."""
        chosen = settings.from_config(config)
        if len(chosen.machines) == 1:
            return {}
        with contextlib.ExitStack() as stack:
            sites = fleet.open_all(chosen.machines, stack)
            placed = fleet.place(topology.nodes, sites, pinned=config.infrastructure.flag("cpu_pin"))
        return {name: sites[number].machine.name for name, number in placed.items()}

    def build_image(self, request: ImageRequest) -> str:
        """Make a Debian for guests; returns its folder."""
        return str(image.build(request))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make network, disks and guests, all guests at once, and wait until they have booted.

        Raises:
            ProvisionError: one does not come up; the error has the end of its console.
        """
        made = creation.create(specs, run, self.connect)
        if len(made.machines) > 1:
            where = "; ".join(f"{name}: {', '.join(on)}" for name, on in made.machines.items())
            self._note(run, f"guests are on {len(made.machines)} machines ({where})")
        return made.nodes

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End the guests; remove their disks and their network, on every daemon the journal names."""
        uris = {ident.rpartition(" ")[0] for kind, ident in owned if kind == DAEMON}
        if not owned and not run.directory.is_dir():
            uris = set(daemons.known())
        removal.remove_everywhere(uris, run.id)
        shutil.rmtree(run.directory / KEYS, ignore_errors=True)  # they open nothing any more

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to a node that exists, from its handle alone."""
        handle, own_keys = node.handle, keys.Keys(run.directory / KEYS)
        way = Machine(str(handle["uri"])).way_to(str(handle["host"]), int(handle["port"]))
        return SshConnection(
            SshTarget(
                node=node.name,
                run_id=run.id,
                host=str(handle["host"]),
                user="root",
                port=int(handle["port"]),
                key=own_keys.user,
                known_hosts=own_keys.known_hosts,
                python=node.python,
                wrap=inside.limited,
                proxy=way,
                cipher=INTERPRETED_CIPHER if node.timeout_scale > 1 else "",
            )
        )

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Put CPU quotas in force: from now on, so that booting does not take minutes."""
        limited = [node for node in nodes if describe.quota_us(node.spec) > 0]
        for uri in sorted({str(node.handle["uri"]) for node in limited}):
            with Hypervisor(uri) as hypervisor:
                mine = [node.spec for node in limited if node.handle["uri"] == uri]
                for spec in mine:
                    self._limit(hypervisor, spec, run)

    def _limit(self, hypervisor: Hypervisor, spec: NodeSpec, run: Run) -> None:
        quota = {"vcpu_period": describe.CFS_PERIOD_US, "vcpu_quota": describe.quota_us(spec)}
        try:
            with hypervisor.doing(f"{spec.name}: CPU quota"):
                domain = hypervisor.api.lookupByName(names.domain(run.id, spec.name))
                domain.setSchedulerParameters(quota)
        except ProvisionError as error:
            self._note(run, f"CPU quotas of guests are not in force: {error}")

    def _note(self, run: Run, text: str) -> None:
        self._notes.setdefault(run.id, []).append(text)

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each guest says it has used since it was started."""

        def look(node: Node) -> Usage:
            connection = self.connect(node, run)
            try:
                return inside.usage(connection)
            except ContinuumError:
                return Usage()  # a guest that is gone is told of elsewhere
            finally:
                connection.close()

        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            return dict(zip((node.name for node in nodes), pool.map(look, nodes), strict=True))

    def notes(self, run: Run) -> tuple[str, ...]:
        """What could not be enforced, in words."""
        return tuple(self._notes.get(run.id, ()))

    def survivors(self, host: Host) -> Iterable[str]:
        """Runs of this user that have something at a daemon though their folder is gone."""
        found: dict[str, str] = {}
        for uri in daemons.known():
            with contextlib.suppress(HostError, ProvisionError), Hypervisor(uri) as hypervisor:
                found |= hypervisor.runs()
        return [run_id for run_id, folder in found.items() if not (folder and Path(folder).is_dir())]
