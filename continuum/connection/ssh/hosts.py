"""What providers of hosts reached by ssh have in common: waiting for them, keys, names, use."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from continuum.connection.ssh.connection import SshConnection
from continuum.errors import CommandFailed, ConnectionFailure, HostError, ProvisionError
from continuum.model.node import Node, Usage

T = TypeVar("T")

PARALLEL = 16
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
    """Make an ed25519 key pair, readable by this user alone; return the public half.

    Raises:
        HostError: ``ssh-keygen`` is missing or fails.
    """
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise HostError("there is no ssh-keygen; run: sudo apt-get install openssh-client") from None
    if done.returncode:
        raise HostError(f"{path}: ssh-keygen made no key: {done.stderr.strip() or done.stdout.strip()}")
    return path.with_name(path.name + ".pub").read_text(encoding="ascii").strip()


def known_host(address: str, port: int, kind: str, key: str) -> str:
    """A line of a known_hosts file."""
    return f"{address if port == 22 else f'[{address}]:{port}'} {kind} {key}\n"


def wait_reachable(connection: SshConnection, deadline: float, *, poll_s: float = _POLL_S) -> None:
    """Return when a host that is starting can be logged into.

    Args:
        connection: the way to it.
        deadline: on ``time.monotonic``.
        poll_s: between two attempts.

    Raises:
        ProvisionError: it cannot in time; with the last reason.
    """
    while True:
        try:
            connection.run(("true",), timeout=_TIMEOUT_S)
        except ConnectionFailure as error:
            if time.monotonic() > deadline:
                raise ProvisionError(str(error)) from error
        else:
            return
        time.sleep(poll_s)


def interface_to(connection: SshConnection, addresses: Sequence[str]) -> str:
    """The network interface that leads to some addresses.

    Raises:
        ProvisionError: there is no way there, or more than one interface leads to them.
    """
    script = 'for a; do ip -j -4 route get "$a" || exit; done'
    try:
        said = connection.run(("sh", "-c", script, "sh", *addresses), timeout=_TIMEOUT_S).stdout
        found = {str(json.loads(line)[0]["dev"]) for line in said.splitlines() if line.strip()}
    except (CommandFailed, ValueError, KeyError, IndexError) as error:
        raise ProvisionError(
            f"{connection.node}: no way to the other nodes is known there: {error}"
        ) from error
    if len(found) != 1:
        raise ProvisionError(
            f"{connection.node}: the other nodes are behind several interfaces ({', '.join(sorted(found))});"
            " give addresses that are behind one"
        )
    return found.pop()


def hosts_lines(addresses: Mapping[str, str]) -> str:
    """The nodes' names as lines of ``/etc/hosts``."""
    return "".join(f"{address}\t{name}\n" for name, address in addresses.items())


def write_hosts(connection: SshConnection, folder: str, addresses: Mapping[str, str]) -> None:
    """Make a folder on a host, with a file of the nodes' names in it for ``with_names``.

    Args:
        connection: the way to the host.
        folder: absolute path there.
        addresses: the nodes' addresses by name; whatever else the host calls so is left out.
    """
    argv = ("sh", "-c", _WRITE_HOSTS, "hosts", folder, hosts_lines(addresses), " ".join(addresses))
    connection.run(argv, timeout=_TIMEOUT_S)


def with_names(connection: SshConnection, folder: str) -> SshConnection:
    """The same connection for commands that find the nodes by name; the host's own file is left as it is."""
    enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "enter")
    return connection.entering(*enter, f"{folder}/hosts")


def everywhere(items: Sequence[T], act: Callable[[T], object]) -> None:
    """Do the same with many at once; raises what one of them raised, when all have come to an end."""
    if not items:
        return
    with ThreadPoolExecutor(min(PARALLEL, len(items))) as pool:
        ends = [pool.submit(act, item) for item in items]
    errors = [error for end in ends if (error := end.exception())]
    if errors:
        raise errors[0]


def usage(nodes: Sequence[Node], connect: Callable[[Node], SshConnection]) -> dict[str, Usage]:
    """What each node has used so far; nothing is known of one that does not answer."""
    found: dict[str, Usage] = {}

    def ask(node: Node) -> None:
        with suppress(ConnectionFailure, ValueError):
            used = json.loads(connect(node).usage())
            found[node.name] = Usage(used["cpu_seconds"], used["memory_peak_mb"])

    everywhere(nodes, ask)
    return found
