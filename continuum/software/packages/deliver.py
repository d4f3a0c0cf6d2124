"""Delivers packages to nodes: reads the node's Python, copies the missing archives, installs them."""

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
"""Number of parallel copies to one node."""

CHECKOUT = Path(__file__).resolve().parents[3]

_building = threading.Lock()  # workloads share libraries: the second one finds them in the cache


@dataclass(frozen=True)
class Installed:
    """A package that is installed on a node.

    Attributes:
        python: path of the interpreter to run the workload with.
        code: folder to import the workload's modules from.
        build_s: time to build the package in seconds; 0 on nodes that use one built for another node.
        copy_s: time to copy and unpack the missing archives in seconds.
        install_s: time to install them in seconds.
        copied_bytes: size of the copied archives.
    """

    python: str
    code: str
    build_s: float
    copy_s: float
    install_s: float
    copied_bytes: int


def is_here(connection: Connection) -> bool:
    """Whether a node is on this machine, where copying uncompressed archives is faster.

    It is if it reads this machine's clock.
    """
    return connection.host_clock


def prepare(workload: Workload, nodes: Sequence[Node], deployment: Deployment) -> Mapping[str, Installed]:
    """Build a workload's packages and install them on all nodes in parallel.

    Nodes that share this host's Python need no package and are absent from the result.

    Raises:
        DeployError: a node has no Python or an unsuitable one, or a package cannot be built.
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
    """The Python of a node; DeployError if it has none or one that is too old."""
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
) -> Installed:
    """Copy a package's missing archives to a node and install it.

    Args:
        package: the package.
        node: the node.
        connection: the connection to the node.
        found: the node's Python.
        is_first: whether the package was built for this node; the result then contains the build time.

    Raises:
        DeployError: the package was built for another Python, or the node cannot install it.
    """
    interpreters.refuse_mismatch(node.name, package.interpreter, found)
    python = node.python
    begin = time.monotonic()
    copied = _copy(package, python, connection)
    copy_s = time.monotonic() - begin
    answer = on_node.install(connection, python, package.manifest())
    return Installed(
        python=str(answer["python"]),
        code=str(answer["code"]),
        build_s=package.build_s if is_first else 0.0,
        copy_s=copy_s,
        install_s=float(answer["seconds"]),
        copied_bytes=copied,
    )


def _copy(package: Package, python: str, connection: Connection) -> int:
    """Copy the parts that the node is missing, in parallel; returns the number of bytes."""
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
