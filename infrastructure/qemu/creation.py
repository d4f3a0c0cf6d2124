"""Creates the guests of a run: network and storage, then all guests in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from continuum.connection.ssh.connection import SshConnection
from continuum.errors import HostError, ProvisionError
from continuum.host import facts
from continuum.host.parallel import in_parallel
from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from continuum.rundir.run import Run
from infrastructure.qemu import (
    fleet,
    guest_links,
    guests,
    image,
    keys,
    known_daemons,
    libvirt_xml,
    names,
    run_network,
    settings,
    storage,
    switch,
)
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.guest_links import GuestLink
from infrastructure.qemu.guests import Guest, GuestHost
from infrastructure.qemu.keys import Keys
from infrastructure.qemu.seed import Identity
from infrastructure.qemu.settings import Settings

DAEMON = "libvirt"
"""Kind in the journal: URI of a daemon with resources of the run, and their name there."""

KEYS = "keys"

EMULATED_TIMEOUT_SCALE = 10.0
"""Time-out scale of TCG-emulated guests; an estimate."""

_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 22), float(sys.argv[2])).close()"
_CONNECT_TIMEOUT_S = 30.0

Connect = Callable[[Node, Run], SshConnection]


@dataclass(frozen=True)
class Created:
    """The result of ``create``.

    Attributes:
        nodes: in the order of their specifications.
        machines: names of the nodes on every machine, by the machine's name.
    """

    nodes: tuple[Node, ...]
    machines: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class CreationPlan:
    """What is decided before anything is created.

    Attributes:
        run: the run.
        chosen: the settings of the config.
        specs: the nodes, with their CPUs if they are pinned.
        sites: the machines with nodes.
        site_of: every node's machine, by the node's name.
        own_keys: the keys of the run.
    """

    run: Run
    chosen: Settings
    specs: tuple[NodeSpec, ...]
    sites: tuple[Site, ...]
    site_of: Mapping[str, Site]
    own_keys: Keys


def create(specs: Sequence[NodeSpec], run: Run, connect: Connect) -> Created:
    """Create the guests and wait until they have booted.

    Args:
        specs: the nodes.
        run: the run; its journal has every daemon before something is created there.
        connect: opens a connection to a node.

    Raises:
        HostError: a machine or the base image is unavailable, or the nodes do not fit.
        ProvisionError: a guest does not boot; the message has the end of its console.
    """
    chosen, here = settings.from_config(run.config), facts.read()
    base_image = image.find(chosen.image, chosen.sha256)
    with ExitStack() as stack:
        plan = _plan(specs, run, chosen, fleet.open_all(chosen.machines, stack), here)
        for site in plan.sites:
            known_daemons.remember(site.machine.uri)
            run.own(DAEMON, f"{site.machine.uri} {names.label(run.id)}")
        wanted = _network(plan)

        def prepare(site: Site) -> GuestHost:
            kvm = site.acceleration(chosen.acceleration, here).kvm
            return _guest_host(site, base_image, run, kvm=kvm)

        opened = in_parallel(prepare, plan.sites)
        at = {id(site): place for site, place in zip(plan.sites, opened, strict=True)}
        hosts = {name: at[id(site)] for name, site in plan.site_of.items()}
        nodes = tuple(_node(guest, plan.site_of[guest.spec.name], hosts) for guest in wanted)
        keys.write_known_hosts(plan.own_keys, [_known(guest) for guest in wanted])
        connections = {node.name: connect(node, run) for node in nodes}
        try:
            took = guests.bring_up(wanted, hosts, connections, chosen.boot_timeout_s)
            _check_tunnels(plan, nodes, connections)
        finally:
            for connection in connections.values():
                connection.close()
    with run.log("provision").open("a", encoding="utf-8") as log:
        log.writelines(
            f"{name}: started after {boot.started_s:.1f} s, booted after {boot.up_s:.1f} s,"
            f" on {plan.site_of[name].machine.name}\n"
            for name, boot in took.items()
        )
    on = {site.machine.name: _names_on(site, plan.site_of) for site in plan.sites}
    return Created(nodes, on)


def _check_tunnels(
    plan: CreationPlan, nodes: Sequence[Node], connections: Mapping[str, SshConnection]
) -> None:
    """Check that guests on the other machines reach one on the first; ProvisionError with a remedy."""
    by_name = {node.name: node for node in nodes}
    first, *others = plan.sites
    goal = by_name[_names_on(first, plan.site_of)[0]]

    def check(site: Site) -> None:
        node = by_name[_names_on(site, plan.site_of)[0]]
        argv = (node.python, "-c", _CONNECT, goal.address, str(_CONNECT_TIMEOUT_S))
        done = connections[node.name].run(argv, timeout=2 * _CONNECT_TIMEOUT_S, check=False)
        if done.status:
            here, there = first.machine.name, site.machine.name
            raise ProvisionError(
                f"{node.name} on {there} does not reach {goal.name} on {here}: allow UDP ports"
                f" {switch.FIRST_PORT} to {switch.LAST_PORT} between these machines, in both directions"
            )

    in_parallel(check, others)


def _plan(
    specs: Sequence[NodeSpec], run: Run, chosen: Settings, sites: Sequence[Site], here: facts.Host
) -> CreationPlan:
    is_pinned = run.config.infrastructure.flag("cpu_pin")
    placed = fleet.place(specs, sites, pinned=is_pinned)
    if is_pinned:
        specs = pinned(specs, placed, [site.cpus(here) for site in sites])
    return CreationPlan(
        run,
        chosen,
        tuple(specs),
        tuple(sites[number] for number in sorted(set(placed.values()))),
        {name: sites[number] for name, number in placed.items()},
        keys.make(run.directory / KEYS, run.id),
    )


def pinned(
    specs: Sequence[NodeSpec], placed: Mapping[str, int], cpus: Sequence[Sequence[int]]
) -> tuple[NodeSpec, ...]:
    """The nodes with CPUs for themselves, one per started core.

    Args:
        specs: the nodes.
        placed: index of each node's machine, by name.
        cpus: the CPUs of every machine.

    Raises:
        HostError: a machine has too few CPUs.
    """
    free = [list(there) for there in cpus]
    result = []
    for spec in specs:
        there, count = placed[spec.name], libvirt_xml.vcpus(spec)
        if count > len(free[there]):
            raise HostError(f"cpu_pin: no CPU is left for {spec.name}; use fewer nodes or cores")
        result.append(replace(spec, cpus=tuple(free[there][:count])))
        free[there] = free[there][count:]
    return tuple(result)


def _network(plan: CreationPlan) -> list[Guest]:
    """Create the network; returns the configuration of each guest."""
    run_id, chosen, specs = plan.run.id, plan.chosen, plan.specs
    if guest_links.needs_switches(plan.sites):
        network = next(
            run_network.candidates(chosen.prefix, chosen.middle)
        )  # the run's switches are isolated
        addresses = run_network.addresses(network, specs)
        connected = guest_links.switched(specs, run_id, addresses, apart=len(plan.sites) > 1, nat=chosen.nat)
        _start_switches(plan, connected)
    else:
        site = plan.sites[0]
        network = run_network.create(site.hypervisor, chosen, run_id, plan.run.directory, site.facts.networks)
        addresses = run_network.addresses(network, specs)
        connected = guest_links.bridged(specs, run_id, addresses, str(network[1]) if chosen.nat else "")
    return [_guest(plan, spec, addresses, connected[spec.name]) for spec in specs]


def _start_switches(plan: CreationPlan, connected: Mapping[str, GuestLink]) -> None:
    plugs = [
        [plug for name in _names_on(site, plan.site_of) if (plug := connected[name].interfaces.udp)]
        for site in plan.sites
    ]
    texts = guest_links.switches(plan.sites, plugs, plan.run.id, plan.run.directory)

    def start(one: tuple[Site, str]) -> None:
        site, text = one
        with site.hypervisor.doing(f"{site.machine.name}: starting the switch"):
            site.hypervisor.api.createXML(text)

    in_parallel(start, list(zip(plan.sites, texts, strict=True)))


def _guest_host(site: Site, base_image: image.Image, run: Run, *, kvm: bool) -> GuestHost:
    """Prepare a machine: base image and the run's storage pool."""
    hypervisor, label = site.hypervisor, names.label(run.id)
    hypervisor.prepare(kvm=kvm, tell=run.tell)
    base = storage.Base(site, base_image)
    pool = storage.open_pool(hypervisor, label, storage.pool_path(site, label, run.directory))
    return GuestHost(hypervisor, pool, base, run.id, run.directory, kvm, hypervisor.machine())


def _guest(plan: CreationPlan, spec: NodeSpec, addresses: Mapping[str, str], connected: GuestLink) -> Guest:
    own_keys = plan.own_keys
    identity = Identity(
        name=spec.name,
        run_id=plan.run.id,
        cards=connected.cards,
        names=addresses,
        public_key=own_keys.text(f"{keys.USER}.pub"),
        host_key=own_keys.text(keys.HOST),
        host_public_key=own_keys.text(f"{keys.HOST}.pub"),
    )
    is_here = not plan.site_of[spec.name].machine.has_ssh
    return Guest(spec, identity, connected.interfaces, connected.host, connected.port, is_here)


def _node(guest: Guest, site: Site, hosts: Mapping[str, GuestHost]) -> Node:
    name = guest.spec.name
    address = guest.identity.names[name]
    handle = {"uri": site.machine.uri, "host": guest.host, "port": guest.port}
    (first, *_) = guest.identity.cards
    management = next((one.partition("/")[0] for one in first.further), "")
    timeout_scale = 1.0 if hosts[name].kvm else EMULATED_TIMEOUT_SCALE
    return Node(
        guest.spec,
        address,
        handle,
        management,
        python="/usr/bin/python3",
        interface="eth0",
        timeout_scale=timeout_scale,
    )


def _known(guest: Guest) -> str:
    return guest.host if guest.port == 22 else f"[{guest.host}]:{guest.port}"


def _names_on(site: Site, site_of: Mapping[str, Site]) -> tuple[str, ...]:
    return tuple(name for name, its in site_of.items() if its is site)
