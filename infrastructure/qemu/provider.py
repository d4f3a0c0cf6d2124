"""The provider ``qemu``: creates, limits and deletes nodes that are virtual machines."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import ContinuumError, HostError, ProvisionError
from continuum.host.parallel import in_parallel
from continuum.model.node import Node, Usage
from continuum.model.topology import NodeSpec
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from continuum.options import Option
from infrastructure.qemu import (
    acceleration,
    creation,
    fleet,
    guest_usage,
    image,
    keys,
    known_daemons,
    libvirt_xml,
    names,
    probe,
    removal,
    settings,
)
from infrastructure.qemu.creation import DAEMON, KEYS
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.machines import Machine

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.errors import Problem
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import Topology
    from continuum.rundir.run import Run
    from continuum.software.debian_image import ImageRequest


LOCAL_DAEMONS = ("qemu:///system", "qemu:///session")
"""Daemons of this machine, which are used without having been used before."""

EMULATED_CIPHER = "aes128-ctr"
"""The fastest cipher on a TCG-emulated processor: seven to ten times as fast as the one ssh prefers."""


class QemuProvider(Provider):
    """Nodes are virtual machines under libvirt."""

    summary: ClassVar[str] = "virtual machines under libvirt, with kernels and clocks of their own"
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    slow_wires: ClassVar[bool] = True

    def check(self, config: Config) -> Iterable[Problem]:
        """Keys that are invalid or contradict each other."""
        return list(settings.problems(config.infrastructure))

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host is missing for these guests, each with its remedy."""
        return list(probe.problems(config, host))

    def no_virtual_machines(self, config: Config, host: Host) -> str:
        """Guests that are TCG-emulated, or a KVM without nested virtualisation."""
        requested = settings.from_config(config).acceleration
        return acceleration.no_nesting(acceleration.choose(requested, host))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether QEMU, KVM, libvirt and a base image are available."""
        return list(probe.findings(host))

    def placement(self, config: Config, topology: Topology) -> Mapping[str, str]:
        """The machine each node would be placed on now; empty if there is only one."""
        chosen = settings.from_config(config)
        if len(chosen.machines) == 1:
            return {}
        with contextlib.ExitStack() as stack:
            sites = fleet.open_all(chosen.machines, stack)
            placed = fleet.place(topology.nodes, sites, pinned=config.infrastructure.flag("cpu_pin"))
        return {name: sites[number].machine.name for name, number in placed.items()}

    def build_image(self, request: ImageRequest) -> str:
        """Build a Debian image for guests; returns its folder."""
        return str(image.build(request))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Create network, disks and guests, all guests at once, and wait until they have booted.

        Raises:
            ProvisionError: a guest does not boot; the message has the end of its console.
        """
        made = creation.create(specs, run, self.connect)
        if len(made.machines) > 1:
            where = "; ".join(f"{name}: {', '.join(on)}" for name, on in made.machines.items())
            run.note(f"guests are on {len(made.machines)} machines ({where})")
        return made.nodes

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Delete guests, disks and network by their names.

        At those daemons of the journal that this user has used; if it names none, at all that this user has
        used.

        Raises:
            ProvisionError: a resource cannot be deleted, or the journal names a daemon that was never used.
        """
        named = {ident.rpartition(" ")[0] for kind, ident in owned if kind == DAEMON}
        used = {*known_daemons.known(), *LOCAL_DAEMONS}
        removal.remove_everywhere(named & used if named else known_daemons.known(), run.id)
        shutil.rmtree(run.directory / KEYS, ignore_errors=True)  # of no use without the guests
        if refused := sorted(named - used):
            raise ProvisionError(
                f"{run.id}: not connected to libvirt at {refused[0]}, which only the journal names and this "
                "user has never used: guests of the run may remain there"
            )

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to an existing guest."""
        handle, own_keys = node.handle, keys.Keys(run.directory / KEYS)
        proxy = Machine(str(handle["uri"])).proxy_to(str(handle["host"]), int(handle["port"]))
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
                wrap=guest_usage.limited,
                proxy=proxy,
                cipher=EMULATED_CIPHER if node.timeout_scale > 1 else "",
            )
        )

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Apply CPU quotas; not earlier, since booting would take minutes with them."""
        limited = [node for node in nodes if libvirt_xml.quota_us(node.spec) > 0]
        for uri in sorted({str(node.handle["uri"]) for node in limited}):
            with Hypervisor(uri) as hypervisor:
                mine = [node.spec for node in limited if node.handle["uri"] == uri]
                for spec in mine:
                    self._limit(hypervisor, spec, run)

    def _limit(self, hypervisor: Hypervisor, spec: NodeSpec, run: Run) -> None:
        quota = {"vcpu_period": libvirt_xml.CFS_PERIOD_US, "vcpu_quota": libvirt_xml.quota_us(spec)}
        try:
            with hypervisor.doing(f"{spec.name}: CPU quota"):
                domain = hypervisor.api.lookupByName(names.domain(run.id, spec.name))
                domain.setSchedulerParameters(quota)
        except ProvisionError as error:
            run.note(f"CPU quotas of guests are not applied: {error}")

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """What each guest has used since it was started, as it reports itself."""

        def query(node: Node) -> Usage:
            connection = deployment.connections[node.name]
            assert isinstance(connection, SshConnection)
            try:
                return guest_usage.usage(connection)
            except ContinuumError:
                return Usage()  # the loss of a guest is reported by the benchmark

        nodes = deployment.nodes
        return dict(zip((node.name for node in nodes), in_parallel(query, nodes), strict=True))

    def survivors(self, host: Host) -> Mapping[str, str]:
        """This user's runs that have resources at a daemon, with their folders."""
        found: dict[str, str] = {}
        for uri in known_daemons.known():
            with contextlib.suppress(HostError, ProvisionError), Hypervisor(uri) as hypervisor:
                found |= hypervisor.runs()
        return found
