"""Makes the guests of a run: machines, network, storage, then all guests at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from continuum.connection.ssh.connection import SshConnection
from continuum.errors import HostError, ProvisionError
from continuum.host import facts
from continuum.model.node import Node
from continuum.model.topology import NodeSpec
from continuum.rundir.run import Run
from infrastructure.qemu import (
    daemons,
    describe,
    fleet,
    guests,
    image,
    keys,
    names,
    settings,
    storage,
    switch,
    wires,
    wiring,
)
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.guests import Guest, Place
from infrastructure.qemu.keys import Keys
from infrastructure.qemu.seed import Identity
from infrastructure.qemu.settings import Settings
from infrastructure.qemu.wiring import Connected

DAEMON = "libvirt"
"""Kind of the journal's entry: the address of a daemon that has something of the run, and its name there."""

KEYS = "keys"

EMULATED_TIMEOUT_SCALE = 10.0
"""How many times as long as usual an interpreted guest may take; an estimate."""

_KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], 22), float(sys.argv[2])).close()"
_KNOCK_TIMEOUT_S = 30.0

Connect = Callable[[Node, Run], SshConnection]


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        nodes: in the order they were asked for.
        machines: names of the nodes on every machine, by the machine's name.
    """

    nodes: tuple[Node, ...]
    machines: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Plan:
    """What is known before anything is made.

    Attributes:
        run: the run.
        chosen: what the config says.
        specs: the nodes, with their CPUs where they are pinned.
        sites: the machines with nodes.
        site_of: every node's machine, by its name.
        own_keys: the keys of the run.
    """

    run: Run
    chosen: Settings
    specs: tuple[NodeSpec, ...]
    sites: tuple[Site, ...]
    site_of: Mapping[str, Site]
    own_keys: Keys


def create(specs: Sequence[NodeSpec], run: Run, connect: Connect) -> Made:
    """Make everything and wait until the guests have booted.

    Args:
        specs: the nodes.
        run: the run; whatever is made is in its journal before.
        connect: makes the connection to a node.

    Raises:
        HostError: a machine or the base image is not there, or there is no room.
        ProvisionError: a guest does not come up; the error has the end of its console.
    """
    chosen, here = settings.from_config(run.config), facts.read()
    base_image = image.find(chosen.image, chosen.sha256)
    with ExitStack() as stack:
        plan = _plan(specs, run, chosen, fleet.open_all(chosen.machines, stack), here)
        for site in plan.sites:
            daemons.remember(site.machine.uri)
            run.own(DAEMON, f"{site.machine.uri} {names.label(run.id)}")
        wanted = _network(plan)

        def open_place(site: Site) -> Place:
            kvm = site.acceleration(chosen.acceleration, here).kvm
            return _place(site, base_image, run, kvm=kvm)

        opened = fleet.at_once(open_place, plan.sites)
        at = {id(site): place for site, place in zip(plan.sites, opened, strict=True)}
        places = {name: at[id(site)] for name, site in plan.site_of.items()}
        nodes = tuple(_node(guest, plan.site_of[guest.spec.name], places) for guest in wanted)
        keys.write_known_hosts(plan.own_keys, [_known(guest) for guest in wanted])
        connections = {node.name: connect(node, run) for node in nodes}
        try:
            took = guests.bring_up(wanted, places, connections, chosen.boot_timeout_s)
            _check_tunnels(plan, nodes, connections)
        finally:
            for connection in connections.values():
                connection.close()
    with run.log("provision").open("a", encoding="utf-8") as log:
        log.writelines(
            f"{name}: started after {boot.started_s:.1f} s, up after {boot.up_s:.1f} s,"
            f" on {plan.site_of[name].machine.name}\n"
            for name, boot in took.items()
        )
    on = {site.machine.name: _names_on(site, plan.site_of) for site in plan.sites}
    return Made(nodes, on)


def _check_tunnels(plan: Plan, nodes: Sequence[Node], connections: Mapping[str, SshConnection]) -> None:
    """Whether guests of the other machines reach one of the first; ProvisionError with the remedy."""
    by_name = {node.name: node for node in nodes}
    first, *others = plan.sites
    goal = by_name[_names_on(first, plan.site_of)[0]]

    def check(site: Site) -> None:
        node = by_name[_names_on(site, plan.site_of)[0]]
        argv = (node.python, "-c", _KNOCK, goal.address, str(_KNOCK_TIMEOUT_S))
        done = connections[node.name].run(argv, timeout=2 * _KNOCK_TIMEOUT_S, check=False)
        if done.status:
            here, there = first.machine.name, site.machine.name
            raise ProvisionError(
                f"{node.name} on {there} does not reach {goal.name} on {here}: do firewalls let UDP ports"
                f" {switch.FIRST_PORT} to {switch.LAST_PORT} pass between these machines, both ways?"
            )

    fleet.at_once(check, others)


def _plan(
    specs: Sequence[NodeSpec], run: Run, chosen: Settings, sites: Sequence[Site], here: facts.Host
) -> Plan:
    is_pinned = run.config.infrastructure.flag("cpu_pin")
    placed = fleet.place(specs, sites, pinned=is_pinned)
    if is_pinned:
        specs = pinned(specs, placed, [site.cpus(here) for site in sites])
    return Plan(
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
    """The nodes with CPUs of their own, one for each core begun.

    Args:
        specs: the nodes.
        placed: the number of each one's machine, by name.
        cpus: the CPUs of every machine.

    Raises:
        HostError: there are too few.
    """
    free = [list(there) for there in cpus]
    result = []
    for spec in specs:
        there, count = placed[spec.name], describe.vcpus(spec)
        if count > len(free[there]):
            raise HostError(f"cpu_pin: no CPU is left for {spec.name}; use fewer nodes or cores")
        result.append(replace(spec, cpus=tuple(free[there][:count])))
        free[there] = free[there][count:]
    return tuple(result)


def _network(plan: Plan) -> list[Guest]:
    """What each guest shall be, on a network that is there when this returns."""
    run_id, chosen, specs = plan.run.id, plan.chosen, plan.specs
    if wiring.needs_switches(plan.sites):
        network = next(wires.candidates(chosen.prefix, chosen.middle))  # of the run alone
        addresses = wires.addresses(network, specs)
        connected = wiring.switched(specs, run_id, addresses, apart=len(plan.sites) > 1, nat=chosen.nat)
        _start_switches(plan, connected)
    else:
        site = plan.sites[0]
        network = wires.make(site.hypervisor, chosen, run_id, plan.run.directory, site.survey.networks)
        addresses = wires.addresses(network, specs)
        connected = wiring.bridged(specs, run_id, addresses, str(network[1]) if chosen.nat else "")
    return [_guest(plan, spec, addresses, connected[spec.name]) for spec in specs]


def _start_switches(plan: Plan, connected: Mapping[str, Connected]) -> None:
    plugs = [
        [plug for name in _names_on(site, plan.site_of) if (plug := connected[name].wire.plug)]
        for site in plan.sites
    ]
    texts = wiring.switches(plan.sites, plugs, plan.run.id, plan.run.directory)

    def start(one: tuple[Site, str]) -> None:
        site, text = one
        with site.hypervisor.doing(f"{site.machine.name}: starting the switch between guests"):
            site.hypervisor.api.createXML(text)

    fleet.at_once(start, list(zip(plan.sites, texts, strict=True)))


def _place(site: Site, base_image: image.Image, run: Run, *, kvm: bool) -> Place:
    """The run's storage on a machine, with the base image there."""
    hypervisor, label = site.hypervisor, names.label(run.id)
    hypervisor.prepare(kvm=kvm, tell=run.tell)
    base = storage.Base(site, base_image)
    pool = storage.open_pool(hypervisor, label, storage.pool_path(site, label, run.directory))
    return Place(hypervisor, pool, base, run.id, run.directory, kvm, hypervisor.machine())


def _guest(plan: Plan, spec: NodeSpec, addresses: Mapping[str, str], connected: Connected) -> Guest:
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
    return Guest(spec, identity, connected.wire, connected.host, connected.port, is_here)


def _node(guest: Guest, site: Site, places: Mapping[str, Place]) -> Node:
    name = guest.spec.name
    address = guest.identity.names[name]
    handle = {"uri": site.machine.uri, "host": guest.host, "port": guest.port}
    (first, *_) = guest.identity.cards
    management = next((one.partition("/")[0] for one in first.further), "")
    timeout_scale = 1.0 if places[name].kvm else EMULATED_TIMEOUT_SCALE
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
