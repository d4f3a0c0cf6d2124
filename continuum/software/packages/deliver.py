"""Packages onto nodes: which Python they have, what they lack, copy it, install it there."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.errors import CommandFailed, DeployError
from continuum.model.node import Node
from continuum.model.workload import Workload
from continuum.software.packages import interpreter as interpreters
from continuum.software.packages import on_node
from continuum.software.packages.build import Package, build
from continuum.software.packages.interpreter import Interpreter

PROBE_TIMEOUT_S = 60.0
PARALLEL = 8
STREAMS = 3
"""Archives on their way to one node at the same time."""

CHECKOUT = Path(__file__).resolve().parents[3]

_building = threading.Lock()  # what one workload needs another may need, too: the second finds it there


@dataclass(frozen=True)
class Placed:
    """A package on a node, installed.

    Attributes:
        python: the interpreter to run the workload with.
        code: folder its modules are imported from.
        build_s: time to build the package; 0 on the nodes that take what was built for another.
        copy_s: time to copy what the node lacked, unpacked there as it comes.
        install_s: time to install it.
        copied_bytes: how much was copied.
    """

    python: str
    code: str
    build_s: float
    copy_s: float
    install_s: float
    copied_bytes: int


def is_here(connection: Connection) -> bool:
    """Whether a node is on this machine, so that it costs less to copy more than to decompress.

    It is if it reads this machine's clock.
    """
    return connection.host_clock


def prepare(workload: Workload, nodes: Sequence[Node], deployment: Deployment) -> Mapping[str, Placed]:
    """Build what these nodes need for a workload and install it on each, all at the same time.

    Nodes that share this host's Python need nothing and are left out.

    Raises:
        DeployError: a node has no Python, or one that does not do, or the package cannot be made.
    """
    foreign = [node for node in nodes if not node.shares_host]
    if not foreign:
        return {}
    ways = deployment.connections
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = dict(
            zip(
                (node.name for node in foreign),
                pool.map(lambda node: interpreter_of(node, ways[node.name]), foreign),
                strict=True,
            )
        )
        packages: dict[tuple[str, bool], Package] = {}
        builders = set()
        kinds = {node.name: (found[node.name].key, is_here(ways[node.name])) for node in foreign}
        for node in foreign:
            kind = kinds[node.name]
            if kind not in packages:
                with _building:
                    packages[kind] = build(
                        workload.requirements,
                        workload.code,
                        found[node.name],
                        root=CHECKOUT,
                        is_packed=not is_here(ways[node.name]),
                    )
                builders.add(node.name)
        placed = pool.map(
            lambda node: place(
                packages[kinds[node.name]],
                node,
                ways[node.name],
                found[node.name],
                is_first=node.name in builders,
            ),
            foreign,
        )
        return dict(zip((node.name for node in foreign), placed, strict=True))


def interpreter_of(node: Node, connection: Connection) -> Interpreter:
    """The Python a node has; DeployError when it has none or one that is too old."""
    python = node.python
    try:
        done = connection.run([python, "-c", interpreters.PROBE], timeout=PROBE_TIMEOUT_S)
        found = interpreters.parse(done.stdout)
    except (CommandFailed, ValueError) as error:
        msg = f"{node.name} has no usable Python ({python}); use an image with Python 3.10 or newer: {error}"
        raise DeployError(msg) from error
    interpreters.refuse_old(node.name, found)
    return found


def place(
    package: Package, node: Node, connection: Connection, found: Interpreter, *, is_first: bool = True
) -> Placed:
    """Copy what the node lacks of a package and install it.

    Args:
        package: what to install.
        node: where.
        connection: the way there.
        found: the Python the node has; nothing is copied where the package does not fit it.
        is_first: whether the package was built for this node, which then has the time it took.
    """
    interpreters.refuse_mismatch(node.name, package.interpreter, found)
    python = node.python
    begin = time.monotonic()
    copied = _copy(package, python, connection)
    copy_s = time.monotonic() - begin
    answer = on_node.install(connection, python, package.manifest())
    return Placed(
        python=str(answer["python"]),
        code=str(answer["code"]),
        build_s=package.build_s if is_first else 0.0,
        copy_s=copy_s,
        install_s=float(answer["seconds"]),
        copied_bytes=copied,
    )


def _copy(package: Package, python: str, connection: Connection) -> int:
    """Copy the parts the node lacks, in some streams beside each other; returns the bytes."""
    parts = package.parts()
    missing = on_node.missing(connection, python, list(parts))
    sizes = {name: parts[name].stat().st_size for name in missing}

    def send(names: Sequence[str]) -> None:
        on_node.send(connection, python, {name: parts[name] for name in names})

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(send, spread(sizes, STREAMS)))
    return sum(sizes.values())


def spread(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """The names in at most ``count`` groups of about the same size."""
    groups: list[tuple[int, list[str]]] = [(0, [])] * min(count, len(sizes))
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        total, names = min(groups)
        groups.remove((total, names))
        groups.append((total + sizes[name], [*names, name]))
    return [names for _, names in groups]
