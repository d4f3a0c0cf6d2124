"""Shared by providers of hosts that are reached by ssh: keys, waiting, node names, usage."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from continuum.connection.deployment import Deployment
from continuum.connection.ssh.connection import SshConnection
from continuum.errors import CommandFailed, ConnectionFailure, HostError, ProvisionError
from continuum.host.parallel import in_parallel
from continuum.host.polling import poll
from continuum.model.node import Node, Usage

_TIMEOUT_S = 30.0
_POLL_S = 0.5
_ENTER = 'h=$1; shift; mount --bind "$h" /etc/hosts && exec "$@"'
_WRITE_HOSTS = """\
umask 022; mkdir -p -- "$1" && cd -- "$1" || exit
{
    printf %s "$2"
    awk -v names="$3" '
        BEGIN { count = split(names, list); for (i = 1; i <= count; i++) own[list[i]] = 1 }
        { for (i = 2; i <= NF; i++) if ($i in own) next; print }
    ' /etc/hosts
} >hosts
"""


def make_key(path: Path, comment: str) -> str:
    """Create an ed25519 key pair, readable by this user alone; returns the public key.

    Raises:
        HostError: ``ssh-keygen`` is missing or fails.
    """
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise HostError(
            "the command ssh-keygen is missing; run: sudo apt-get install openssh-client"
        ) from None
    if done.returncode:
        raise HostError(f"{path}: ssh-keygen failed: {done.stderr.strip() or done.stdout.strip()}")
    return path.with_name(path.name + ".pub").read_text(encoding="ascii").strip()


def known_host(address: str, port: int, kind: str, key: str) -> str:
    """A line of a known_hosts file."""
    return f"{address if port == 22 else f'[{address}]:{port}'} {kind} {key}\n"


def wait_reachable(connection: SshConnection, deadline: float, *, poll_s: float = _POLL_S) -> None:
    """Wait until a host that is starting can be logged in to.

    Args:
        connection: the connection to it.
        deadline: on ``time.monotonic``.
        poll_s: pause between two attempts.

    Raises:
        ProvisionError: the login fails until the deadline; the message has the last reason.
    """
    errors: list[ConnectionFailure] = []

    def try_login() -> bool:
        try:
            connection.run(("true",), timeout=_TIMEOUT_S)
        except ConnectionFailure as error:
            errors.append(error)
            return False
        return True

    if not poll(try_login, deadline, poll_s):
        raise ProvisionError(str(errors[-1])) from errors[-1]


def interface_to(connection: SshConnection, addresses: Sequence[str]) -> str:
    """The network interface of a host that leads to some addresses.

    Raises:
        ProvisionError: it has no route to one, or the routes use several interfaces.
    """
    script = 'for a; do ip -j -4 route get "$a" || exit; done'
    try:
        said = connection.run(("sh", "-c", script, "sh", *addresses), timeout=_TIMEOUT_S).stdout
        found = {str(json.loads(line)[0]["dev"]) for line in said.splitlines() if line.strip()}
    except (CommandFailed, ValueError, KeyError, IndexError) as error:
        raise ProvisionError(f"{connection.node}: it has no route to the other nodes: {error}") from error
    if len(found) != 1:
        raise ProvisionError(
            f"{connection.node}: the other nodes are behind several interfaces ({', '.join(sorted(found))});"
            " use addresses that are reached through one interface"
        )
    return found.pop()


def hosts_lines(addresses: Mapping[str, str]) -> str:
    """The nodes' names as lines of ``/etc/hosts``."""
    return "".join(f"{address}\t{name}\n" for name, address in addresses.items())


def write_hosts(connection: SshConnection, folder: str, addresses: Mapping[str, str]) -> None:
    """Create a folder on a host with a hosts file for ``with_names``.

    Args:
        connection: the connection to the host.
        folder: absolute path on the host.
        addresses: the nodes' addresses by name; they replace entries of the host's own file.
    """
    argv = ("sh", "-c", _WRITE_HOSTS, "hosts", folder, hosts_lines(addresses), " ".join(addresses))
    connection.run(argv, timeout=_TIMEOUT_S)


def with_names(connection: SshConnection, folder: str) -> SshConnection:
    """The same connection for commands that resolve the nodes' names; the host's own files do not change."""
    enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "enter")
    return connection.entering(*enter, f"{folder}/hosts")


def usage(deployment: Deployment) -> dict[str, Usage]:
    """What each node has used so far, by its name; a node that does not answer is left out."""

    def ask(node: Node) -> tuple[str, Usage] | None:
        connection = deployment.connections[node.name]
        assert isinstance(connection, SshConnection)
        with suppress(ConnectionFailure, ValueError):
            used = json.loads(connection.usage())
            return node.name, Usage(used["cpu_seconds"], used["memory_peak_mb"])
        return None

    return dict(answer for answer in in_parallel(ask, deployment.nodes) if answer)
