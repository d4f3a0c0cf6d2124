"""The provider ``baremetal``: checks, prepares and cleans up existing hosts."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from continuum.config import topology_builder
from continuum.connection.ssh import hosts
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import ConnectionFailure, HostError, LeftBehindError, Problem, ProvisionError
from continuum.host import trusted_path
from continuum.host.parallel import in_parallel
from continuum.model.node import FOLDER, Node, Usage
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from infrastructure.baremetal import host_facts, settings
from infrastructure.baremetal.host_facts import Facts
from infrastructure.baremetal.settings import NamedHost

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import NodeSpec
    from continuum.options import Option
    from continuum.rundir.run import Run

HOST = "baremetal-host"
"""Kind of a host in the journal."""

_TIMEOUT_S = 60.0
_OUR_ROOT = "qdisc htb 1: "
_CLEAN = (
    'if [ -n "$1" ] && tc qdisc show dev "$1" root 2>/dev/null | grep -q "^$3";'
    ' then tc qdisc del dev "$1" root; fi;'
    ' rm -rf -- "$2" && rmdir -- "$(dirname -- "$2")" 2>/dev/null; [ ! -e "$2" ]'
)


class BaremetalProvider(Provider):
    """Nodes are existing hosts, reached by OpenSSH."""

    summary: ClassVar[str] = (
        "hosts of your own, reached by ssh; nothing on them is changed outside one folder"
    )
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    real_network: ClassVar[bool] = True
    no_containers: ClassVar[str] = (
        "they are hosts of your own, and the changes of a container engine and a cluster would remain on them"
    )

    def check(self, config: Config) -> Iterable[Problem]:
        """Hosts that are missing, invalid or named twice."""
        return list(settings.problems(config, topology_builder.from_config(config)))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether OpenSSH's client is installed."""
        path = host.find_command("ssh")
        yield Finding(
            "ssh", path is not None, str(path or "not found"), "sudo apt-get install openssh-client"
        )

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What each host is missing; all are queried at once."""
        missing = [
            f"{one.name}: {one.detail}; to fix it: {one.remedy}" for one in self.doctor(host) if not one.ok
        ]
        for key in ("baremetal_key", "baremetal_ssh_config"):
            path = config.infrastructure.path(key)
            if path is not None and not path.is_file():
                yield config.infrastructure.problem(
                    key, f"no such file: {path}; write the path of an existing one"
                )
                return
        if missing:
            yield Problem("; ".join(missing))
            return
        planned = topology_builder.from_config(config)
        known = {host.node: host for host in settings.hosts(config, planned, "probe")}

        def query(spec: NodeSpec) -> list[str]:
            try:
                with contextlib.closing(SshConnection(_target(known[spec.name], "probe"))) as connection:
                    answer = _facts(connection)
            except ConnectionFailure as error:
                return [str(error)]
            who = f"{spec.name} ({known[spec.name]})"
            found = host_facts.shortcomings(answer, spec, emulated=planned.emulated)
            return [f"{who} {shortcoming}" for shortcoming in found]

        for found in in_parallel(query, planned.nodes):
            yield from (Problem(text) for text in found)

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Log in to every host, find the interface that reaches the others, and create the run's folder.

        Raises:
            ProvisionError: a host cannot be reached, or something else shapes its traffic.
        """
        topology = topology_builder.from_config(run.config)
        for limit in settings.unlimited(topology):
            run.note(limit)
        named = {host.node: host for host in settings.hosts(run.config, topology, run.id)}
        given = settings.addresses(run.config)
        addresses = {name: given.get(name) or _address(host) for name, host in named.items()}
        _refuse_same(addresses)
        emulated = run.config.infrastructure.flag("network_emulation")
        with contextlib.ExitStack() as stack:

            def examine(spec: NodeSpec) -> tuple[NamedHost, SshConnection]:
                others = [address for name, address in addresses.items() if name != spec.name]
                host, connection = _log_in(named[spec.name], run.id)
                stack.callback(connection.close)
                interface = _interface(connection, others or [addresses[spec.name]], emulated=emulated)
                return replace(host, interface=interface), connection

            found = in_parallel(examine, specs)
            run.own_all([(HOST, host.to_json()) for host, _ in found])
            in_parallel(lambda pair: _prepare(pair[1], pair[0], addresses), found)
        return tuple(
            _node(spec, addresses[spec.name], host) for spec, (host, _) in zip(specs, found, strict=True)
        )

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """End the run's processes on the hosts, remove queueing disciplines and folders.

        Raises:
            LeftBehindError: some hosts cannot be reached; it names them, and the others are clean.
        """
        entries = [ident for kind, ident in owned if kind == HOST] or list(_entries_of_nodes(run))
        named = [host for ident in entries for host in _named(run, ident)]
        errors: dict[str, str] = {}
        left: dict[str, list[str]] = {}

        def clean(host: NamedHost) -> None:
            try:
                _prove_files(run, host)
                _clean(host, run.id)
            except (ConnectionFailure, HostError) as error:
                errors[host.node] = str(error)
                left[host.node] = list(host.leftovers(run.id))

        in_parallel(clean, named)
        if errors:
            what = (
                f"these hosts are not cleaned up; when they are reachable, run: continuum destroy {run.id};"
                f" or give them up: continuum destroy {run.id} --forget"
            )
            lines = [line for node in sorted(left) for line in left[node]]
            raise LeftBehindError("\n".join([*(errors[node] for node in sorted(errors)), what]), lines)

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to a host."""
        host = NamedHost(**node.handle)
        return hosts.with_names(SshConnection(_target(host, run.id)), host.folder)

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """What each host has used so far."""
        return hosts.usage(deployment)


def _entries_of_nodes(run: Run) -> Iterator[str]:
    """Entries of the journal as they follow from the nodes in the run's state."""
    for node in run.state().get("nodes", ()):
        if isinstance(node, dict) and isinstance(node.get("handle"), dict):
            yield json.dumps(node["handle"])


def _named(run: Run, ident: str) -> Iterator[NamedHost]:
    """The host of an entry of the journal; none if the entry is damaged.

    The folder, which is deleted on the host, is computed and not read.
    """
    try:
        host = NamedHost.from_json(ident)
    except (TypeError, ValueError, RecursionError):
        run.tell(f"{run.id}: the journal names a damaged host; it is not touched")
        return
    yield replace(host, folder=f"{FOLDER}/{run.id}")


def _prove_files(run: Run, host: NamedHost) -> None:
    """HostError if ssh would use files that somebody else can change: its configuration names commands."""
    files = [Path(name) for name in (host.key, host.config) if name]
    if inside := [path for path in files if path.is_relative_to(run.directory)]:
        raise HostError(f"{inside[0]}: refused, since a run's folder never has files of ssh; remove it")
    for path in files:
        with contextlib.suppress(OSError):  # ssh reports a missing file
            trusted_path.require_own_file(path)


def _target(host: NamedHost, run_id: str) -> SshTarget:
    return SshTarget(
        node=host.node,
        run_id=run_id,
        host=host.host,
        user=host.user,
        port=host.port or None,
        key=Path(host.key) if host.key else None,
        config=Path(host.config) if host.config else None,
        sudo=host.sudo,
    )


def _log_in(host: NamedHost, run_id: str) -> tuple[NamedHost, SshConnection]:
    """Log in to a host; with sudo if the account is not root."""
    connection = SshConnection(_target(host, run_id))
    try:
        if not _facts(connection).is_root:
            host = replace(host, sudo=True)
            connection.target = replace(connection.target, sudo=True)
    except BaseException:
        connection.close()
        raise
    return host, connection


def _node(spec: NodeSpec, address: str, host: NamedHost) -> Node:
    return Node(spec, address, asdict(host), folder=host.folder, interface=host.interface)


def _facts(connection: SshConnection) -> Facts:
    """Query a host; changes nothing."""
    said = connection.run(("sh", "-c", host_facts.SCRIPT), timeout=_TIMEOUT_S, check=False).stdout
    return host_facts.parse(said)


def _address(host: NamedHost) -> str:
    """The IPv4 address of a host, resolved as ssh does."""
    words = ["ssh", *(["-F", host.config] if host.config else []), "-G", "--", str(host)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False).stdout
    name = next((line.split()[1] for line in said.splitlines() if line.startswith("hostname ")), host.host)
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise ProvisionError(
            f"{host.node}: {name} has no known IPv4 address ({error.strerror});"
            f" set baremetal_addresses = {host.node}=..."
        ) from error


def _refuse_same(addresses: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, address in addresses.items():
        if address in seen:
            raise ProvisionError(
                f"{name} and {seen[address]} are the same host ({address}); name one host per node"
            )
        seen[address] = name


def _interface(connection: SshConnection, others: Sequence[str], *, emulated: bool) -> str:
    """The interface that leads to the other hosts; empty if links are not emulated."""
    interface = hosts.interface_to(connection, others)
    if not emulated:
        return ""
    argv = ("tc", "-j", "qdisc", "show", "dev", interface, "root")
    _refuse_shaped(connection, interface, connection.run(argv, timeout=_TIMEOUT_S).stdout)
    return interface


def _refuse_shaped(connection: SshConnection, interface: str, shown: str) -> None:
    """Refuse an interface with a configured queueing discipline, which has a handle; defaults have none."""
    for queue in json.loads(shown or "[]"):
        if queue.get("root") and queue.get("handle", "0:") != "0:":
            what, remedy = f"{queue.get('kind')} {queue['handle']}", f"tc qdisc del dev {interface} root"
            who = f"{connection.node}: {connection.target.destination}"
            raise ProvisionError(
                f"{who}: the traffic of {interface} is shaped already ({what}); remove that there: {remedy}"
            )


def _prepare(connection: SshConnection, host: NamedHost, addresses: Mapping[str, str]) -> None:
    """Create the run's folder; load the kernel modules that shape links."""
    hosts.write_hosts(connection, host.folder, addresses)
    if host.interface:
        argv = ("modprobe", "-a", "sch_htb", "sch_netem", "cls_u32", "act_police")
        connection.run(argv, timeout=_TIMEOUT_S, check=False)


def _clean(host: NamedHost, run_id: str) -> None:
    with contextlib.closing(SshConnection(_target(host, run_id))) as connection:
        connection.kill_all(run_id)
        argv = ("sh", "-c", _CLEAN, "clean", host.interface, host.folder, _OUR_ROOT)
        connection.run(argv, timeout=_TIMEOUT_S)
