"""The provider ``baremetal``: checks, prepares and cleans up hosts of one's own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.config import topology_builder
from continuum.connection.ssh import hosts
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import ConnectionFailure, LeftBehindError, Problem, ProvisionError
from continuum.model.node import Node, Usage
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from infrastructure.baremetal import facts, settings
from infrastructure.baremetal.settings import Place

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import NodeSpec
    from continuum.options import Option
    from continuum.rundir.run import Run

PLACE = "baremetal-host"
_TIMEOUT_S = 60.0
_OUR_ROOT = "qdisc htb 1: "
_CLEAN = (
    'if [ -n "$1" ] && tc qdisc show dev "$1" root 2>/dev/null | grep -q "^$3";'
    ' then tc qdisc del dev "$1" root; fi;'
    ' rm -rf -- "$2" && rmdir -- "$(dirname -- "$2")" 2>/dev/null; [ ! -e "$2" ]'
)


class BaremetalProvider(Provider):
    """Nodes are hosts of one's own, reached by OpenSSH."""

    summary: ClassVar[str] = (
        "hosts of your own, reached by ssh; nothing on them is changed outside one folder"
    )
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    real_network: ClassVar[bool] = True
    no_containers: ClassVar[str] = (
        "they are hosts of your own, on which nobody would undo what a container engine and a cluster change"
    )

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str], SshConnection] = {}

    def check(self, config: Config) -> Iterable[Problem]:
        """Hosts that are missing, named twice or wrongly."""
        return list(settings.problems(config, topology_builder.from_config(config)))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this host has to reach others."""
        path = host.find_command("ssh")
        yield Finding(
            "ssh", path is not None, str(path or "not found"), "sudo apt-get install openssh-client"
        )

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What each host lacks; all are asked at once."""
        lacking = [
            f"{one.name}: {one.detail}; to mend it: {one.remedy}" for one in self.doctor(host) if not one.ok
        ]
        for key in ("baremetal_key", "baremetal_ssh_config"):
            path = config.infrastructure.path(key)
            if path is not None and not path.is_file():
                yield config.infrastructure.problem(key, f"there is no file {path}")
                return
        if lacking:
            yield Problem("; ".join(lacking))
            return
        planned = topology_builder.from_config(config)
        places = {place.node: place for place in settings.places(config, planned, "probe")}
        found: dict[str, list[str]] = {}

        def ask(spec: NodeSpec) -> None:
            try:
                with contextlib.closing(SshConnection(_target(places[spec.name], "probe"))) as connection:
                    answer = _facts(connection)
            except ConnectionFailure as error:
                found[spec.name] = [str(error)]
                return
            who = f"{spec.name} ({places[spec.name]})"
            words = facts.lacks(answer, spec, emulated=planned.emulated)
            found[spec.name] = [f"{who} {lack}" for lack in words]

        hosts.everywhere(planned.nodes, ask)
        for spec in planned.nodes:
            yield from (Problem(lack) for lack in found[spec.name])

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Log into every host, find the interface that reaches the others, and make the run's folder there.

        Raises:
            ProvisionError: a host cannot be reached, or its traffic is shaped by somebody else.
        """
        config = run.config
        places = {
            place.node: place
            for place in settings.places(config, topology_builder.from_config(config), run.id)
        }
        given = settings.addresses(config)
        addresses = {name: given.get(name) or _address(place) for name, place in places.items()}
        _refuse_same(addresses)
        known: dict[str, Place] = {}
        emulated = config.infrastructure.flag("network_emulation")

        def look(place: Place) -> None:
            others = [addresses[name] for name in addresses if name != place.node]
            place = self._log_in(place, run.id)
            connection = self._connections[run.id, place.node]
            interface = _look(connection, others or [addresses[place.node]], emulated=emulated)
            known[place.node] = replace(place, interface=interface)

        hosts.everywhere(list(places.values()), look)
        run.own_all([(PLACE, known[spec.name].to_json()) for spec in specs])
        nodes = tuple(_node(spec, addresses[spec.name], known[spec.name]) for spec in specs)
        hosts.everywhere(
            list(known.values()),
            lambda place: _prepare(self._connections[run.id, place.node], place, addresses),
        )
        return nodes

    def _log_in(self, place: Place, run_id: str) -> Place:
        """Connect to a host; the place with the way to be root there."""
        connection = SshConnection(_target(place, run_id))
        self._connections[run_id, place.node] = connection
        if _facts(connection).is_root:
            return place
        place = replace(place, sudo=True)
        connection.target = replace(connection.target, sudo=True)
        return place

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End what runs on the hosts, take the queues off their interfaces, remove the run's folders.

        Raises:
            LeftBehindError: a host cannot be reached; it is named, and the others are clean.
        """
        for key in [key for key in self._connections if key[0] == run.id]:
            self._connections.pop(key).close()
        places = [Place.from_json(ident) for kind, ident in owned if kind == PLACE]
        errors: dict[str, str] = {}
        left: dict[str, list[str]] = {}

        def clean(place: Place) -> None:
            try:
                _clean(place, run.id)
            except ConnectionFailure as error:
                errors[place.node] = str(error)
                left[place.node] = list(place.leaves(run.id))

        hosts.everywhere(places, clean)
        if errors:
            ways = [
                f"repeat when they can be reached: continuum destroy {run.id}",
                f"or give them up: continuum destroy {run.id} --forget",
            ]
            what = f"these hosts are not cleaned up; {', '.join(ways)}"
            lines = [line for node in sorted(left) for line in left[node]]
            raise LeftBehindError("\n".join([*(errors[node] for node in sorted(errors)), what]), lines)

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to a host, from the node's handle alone."""
        place = Place(**{name: node.handle[name] for name in asdict(Place("", ""))})
        key = (run.id, node.name)
        if key not in self._connections:
            self._connections[key] = SshConnection(_target(place, run.id))
        return hosts.with_names(self._connections[key], place.folder)

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each host has used so far."""
        return hosts.usage(nodes, lambda node: self.connect(node, run))

    def notes(self, run: Run) -> tuple[str, ...]:
        """What these hosts do not limit."""
        return settings.unlimited(topology_builder.from_config(run.config))


def _target(place: Place, run_id: str) -> SshTarget:
    return SshTarget(
        node=place.node,
        run_id=run_id,
        host=place.host,
        user=place.user,
        port=place.port or None,
        key=Path(place.key) if place.key else None,
        config=Path(place.config) if place.config else None,
        sudo=place.sudo,
    )


def _node(spec: NodeSpec, address: str, place: Place) -> Node:
    return Node(spec, address, asdict(place), folder=place.folder, interface=place.interface)


def _facts(connection: SshConnection) -> facts.Facts:
    """Ask a host what it has; reads only."""
    return facts.parse(connection.run(("sh", "-c", facts.QUESTION), timeout=_TIMEOUT_S, check=False).stdout)


def _address(place: Place) -> str:
    """The IPv4 address of a host as ssh would take it."""
    words = ["ssh", *(["-F", place.config] if place.config else []), "-G", "--", str(place)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False).stdout
    name = next((line.split()[1] for line in said.splitlines() if line.startswith("hostname ")), place.host)
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise ProvisionError(
            f"{place.node}: no IPv4 address is known for {name} ({error.strerror});"
            f" set baremetal_addresses = {place.node}=..."
        ) from error


def _refuse_same(addresses: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, address in addresses.items():
        if address in seen:
            raise ProvisionError(
                f"{name} and {seen[address]} are the same host ({address}); name one for each"
            )
        seen[address] = name


def _look(connection: SshConnection, others: Sequence[str], *, emulated: bool) -> str:
    """The interface that leads to the others, if it is to be shaped."""
    interface = hosts.interface_to(connection, others)
    if not emulated:
        return ""
    argv = ("tc", "-j", "qdisc", "show", "dev", interface, "root")
    _refuse_shaped(connection, interface, connection.run(argv, timeout=_TIMEOUT_S).stdout)
    return interface


def _refuse_shaped(connection: SshConnection, interface: str, shown: str) -> None:
    """Queues that somebody has set up have a handle; the kernel's own have none."""
    for queue in json.loads(shown or "[]"):
        if queue.get("root") and queue.get("handle", "0:") != "0:":
            what, remedy = f"{queue.get('kind')} {queue['handle']}", f"tc qdisc del dev {interface} root"
            who = f"{connection.node}: {connection.target.destination}"
            raise ProvisionError(
                f"{who} shapes the traffic of {interface} already ({what}); remove that there: {remedy}"
            )


def _prepare(connection: SshConnection, place: Place, addresses: Mapping[str, str]) -> None:
    """Make the run's folder, and have at hand what shapes links."""
    hosts.write_hosts(connection, place.folder, addresses)
    if place.interface:
        argv = ("modprobe", "-a", "sch_htb", "sch_netem", "cls_u32")
        connection.run(argv, timeout=_TIMEOUT_S, check=False)


def _clean(place: Place, run_id: str) -> None:
    with contextlib.closing(SshConnection(_target(place, run_id))) as connection:
        connection.kill_all(run_id)
        argv = ("sh", "-c", _CLEAN, "clean", place.interface, place.folder, _OUR_ROOT)
        connection.run(argv, timeout=_TIMEOUT_S)
