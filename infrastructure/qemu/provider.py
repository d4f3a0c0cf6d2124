"""The provider ``qemu``: creates, limits and destroys nodes that are virtual machines."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum import topology
from continuum.connection.ssh import SshConnection, SshTarget
from continuum.errors import ContinuumError, HostError, ProvisionError
from continuum.module import Finding, Node, Provider, Usage
from continuum.options import Option
from continuum.topology import NodeSpec
from infrastructure.qemu import (
    acceleration,
    daemons,
    describe,
    guests,
    image,
    inside,
    keys,
    names,
    probe,
    settings,
    storage,
    wires,
)
from infrastructure.qemu.guests import Guest, Place
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.seed import Card, Identity

if TYPE_CHECKING:
    from continuum.config import Config
    from continuum.errors import Problem
    from continuum.host import Host
    from continuum.images import ImageRequest
    from continuum.rundir import Run

DAEMON = "libvirt"
"""Kind of the journal's entry: the address of a daemon that has something of the run, and its name there."""

KEYS = "keys"
MANAGEMENT_NET = "10.0.2.15/24"
"""Where QEMU's own address translation expects a guest."""


class QemuProvider(Provider):
    """Nodes are virtual machines under libvirt."""

    summary: ClassVar[str] = "virtual machines under libvirt, with kernels and clocks of their own"
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True

    def __init__(self) -> None:
        self._notes: dict[str, list[str]] = {}

    def check(self, config: Config) -> Iterable[Problem]:
        """What in the config cannot work."""
        return list(settings.problems(config.infrastructure))

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host lacks for these guests, each with its remedy."""
        pinned = config.infrastructure.flag("cpu_pin")
        return list(probe.problems(settings.from_config(config), topology.from_config(config), pinned, host))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this host can do for guests."""
        return list(probe.findings(host))

    def build_image(self, request: ImageRequest) -> str:
        """Make a Debian for guests; returns its folder."""
        return str(image.build(request))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make network, disks and guests, all guests at once, and wait until they have booted.

        Raises:
            ProvisionError: one does not come up; the error has the end of its console.
        """
        from continuum import host

        chosen, here = settings.from_config(run.config), host.read()
        if run.config.infrastructure.flag("cpu_pin"):
            specs = pinned(specs, here.cpus)
        how = acceleration.choose(chosen.acceleration, here)
        base_image = image.find(chosen.image, chosen.sha256)
        label = names.label(run.id)
        daemons.remember(chosen.uri)
        run.own(DAEMON, f"{chosen.uri} {label}")
        own_keys = keys.make(run.directory / KEYS, run.id)
        with Hypervisor(chosen.uri) as hypervisor:
            hypervisor.prepare(kvm=how.kvm)
            base = storage.Base(hypervisor, base_image)
            wanted = self._guests(specs, run, hypervisor, chosen, own_keys)
            path = storage.pool_path(chosen.uri, label, run.directory)
            pool = storage.open_pool(hypervisor, label, path)
            place = Place(hypervisor, pool, base, run.id, run.directory, how.kvm, hypervisor.machine())
            nodes = tuple(_node(guest, chosen.uri) for guest in wanted)
            keys.write_known_hosts(own_keys, [_known(guest) for guest in wanted])
            connections = {node.name: self.connect(node, run) for node in nodes}
            try:
                took = guests.bring_up(place, wanted, connections, chosen.boot_timeout_s)
            finally:
                for connection in connections.values():
                    connection.close()
        with run.log("provision").open("a", encoding="utf-8") as log:
            log.writelines(f"{name}: booted in {seconds:.1f} s\n" for name, seconds in took.items())
        return nodes

    def _guests(
        self,
        specs: Sequence[NodeSpec],
        run: Run,
        hypervisor: Hypervisor,
        chosen: settings.Settings,
        own_keys: keys.Keys,
    ) -> list[Guest]:
        """What each guest shall be, on a network that is there when this returns."""
        network = (
            next(wires.candidates(chosen.prefix, chosen.middle))
            if chosen.is_session
            else wires.make(hypervisor, chosen, run.id, run.directory)
        )
        places = {spec.name: str(network[wires.FIRST_HOST + n]) for n, spec in enumerate(specs)}
        group_port = wires.free_port() if chosen.is_session else 0
        gateway = str(network[1]) if chosen.nat else ""
        wanted = []
        for number, spec in enumerate(specs):
            card = Card(names.mac(run.id, number), f"{places[spec.name]}/24", gateway)
            cards: tuple[Card, ...] = (card,)
            host, port = places[spec.name], 22
            wire = describe.Wire(card.mac, names.label(run.id))
            if chosen.is_session:
                host, port = "127.0.0.1", wires.free_port()
                cards = (card, Card(names.mac(run.id, number, 1), MANAGEMENT_NET))
                wire = describe.Wire(card.mac, group_port=group_port, ssh_mac=cards[1].mac, ssh_port=port)
            identity = Identity(
                name=spec.name,
                run_id=run.id,
                cards=cards,
                names=places,
                public_key=own_keys.text(f"{keys.USER}.pub"),
                host_key=own_keys.text(keys.HOST),
                host_public_key=own_keys.text(f"{keys.HOST}.pub"),
            )
            wanted.append(Guest(spec, identity, wire, host, port))
        return wanted

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End the guests; remove their disks and their network, on every daemon the journal names."""
        uris = {ident.rpartition(" ")[0] for kind, ident in owned if kind == DAEMON}
        if not owned and not run.directory.is_dir():
            uris = set(daemons.known())
        for uri in sorted(uris):
            with Hypervisor(uri) as hypervisor:
                remove(hypervisor, run.id)
        shutil.rmtree(run.directory / KEYS, ignore_errors=True)  # they open nothing any more

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to a node that exists, from its handle alone."""
        handle, own_keys = node.handle, keys.Keys(run.directory / KEYS)
        return SshConnection(
            SshTarget(
                node=node.name,
                run_id=run.id,
                host=str(handle["host"]),
                user="root",
                port=int(handle["port"]),
                key=own_keys.user,
                known_hosts=own_keys.known_hosts,
                python=str(handle["python"]),
                wrap=inside.limited,
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


def remove(hypervisor: Hypervisor, run_id: str) -> None:
    """Remove everything a daemon has of a run, guests first; harmless when repeated."""
    label = names.label(run_id)

    def end(domain: object) -> None:
        with hypervisor.doing(f"{run_id}: ending a guest"), hypervisor.if_there():
            domain.destroy()  # type: ignore[attr-defined]

    domains = hypervisor.domains(run_id)
    with ThreadPoolExecutor(max(1, len(domains))) as pool:
        ends = [pool.submit(end, domain) for domain in domains]
    ends += [_attempt(storage.remove_pool, hypervisor, label), _attempt(_remove_network, hypervisor, label)]
    for one in ends:
        one.result()


def _attempt(act: Callable[[Hypervisor, str], None], hypervisor: Hypervisor, label: str) -> Future[None]:
    """Do it; what goes wrong is kept, so that it keeps nothing else from being removed."""
    done: Future[None] = Future()
    try:
        act(hypervisor, label)
        done.set_result(None)
    except ContinuumError as error:
        done.set_exception(error)
    return done


def _remove_network(hypervisor: Hypervisor, label: str) -> None:
    with hypervisor.doing(f"{hypervisor.uri}: removing network {label}"), hypervisor.if_there():
        hypervisor.api.networkLookupByName(label).destroy()


def pinned(specs: Sequence[NodeSpec], cpus: Sequence[int]) -> tuple[NodeSpec, ...]:
    """The nodes with host CPUs of their own, one for each core begun; HostError when there are too few."""
    free = list(cpus)
    result = []
    for spec in specs:
        count = describe.vcpus(spec)
        if count > len(free):
            raise HostError(f"cpu_pin: no CPU is left for {spec.name}; use fewer nodes or cores")
        result.append(replace(spec, cpus=tuple(free[:count])))
        free = free[count:]
    return tuple(result)


def _node(guest: Guest, uri: str) -> Node:
    address = guest.identity.names[guest.spec.name]
    handle = {"uri": uri, "host": guest.host, "port": guest.port, "python": "/usr/bin/python3"}
    return Node(guest.spec, address, {**handle, "interface": "eth0"})


def _known(guest: Guest) -> str:
    return guest.host if guest.port == 22 else f"[{guest.host}]:{guest.port}"
