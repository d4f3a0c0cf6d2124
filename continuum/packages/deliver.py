"""Packages onto nodes: which Python they have, what they lack, copy it, install it there."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection import Connection
from continuum.errors import CommandFailed, DeployError
from continuum.module import Deployment, Node, Workload
from continuum.packages import interpreter as interpreters
from continuum.packages.build import Package, build
from continuum.packages.interpreter import Interpreter

ROOT = PurePosixPath("/var/lib/continuum/packages")
"""Where packages are on a node."""

PROBE_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 600.0
PARALLEL = 8
PARALLEL_COPIES = 4
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Placed:
    """A package on a node, installed.

    Attributes:
        python: the interpreter to run the workload with.
        code: folder its modules are imported from.
        build_s: time to build the package; 0 on the nodes that take what was built for another.
        copy_s: time to copy what the node lacked.
        install_s: time to install it.
        copied_bytes: how much was copied.
    """

    python: str
    code: str
    build_s: float
    copy_s: float
    install_s: float
    copied_bytes: int


def shares_host(node: Node) -> bool:
    """Whether programs on the node find this host's Python and this project's code at their places."""
    return bool(node.handle.get("shares_host", False))


def prepare(workload: Workload, nodes: Sequence[Node], deployment: Deployment) -> Mapping[str, Placed]:
    """Build what these nodes need for a workload and install it on each, all at the same time.

    Nodes that share this host's Python need nothing and are left out.

    Raises:
        DeployError: a node has no Python, or one that does not do, or the package cannot be made.
    """
    foreign = [node for node in nodes if not shares_host(node)]
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
        packages: dict[str, Package] = {}
        builders: dict[str, str] = {}
        for node in foreign:
            key = found[node.name].key
            if key not in packages:
                packages[key] = build(workload.requirements, workload.code, found[node.name], root=CHECKOUT)
                builders[key] = node.name
        placed = pool.map(
            lambda node: place(
                packages[found[node.name].key],
                node,
                ways[node.name],
                found[node.name],
                is_first=builders[found[node.name].key] == node.name,
            ),
            foreign,
        )
        return dict(zip((node.name for node in foreign), placed, strict=True))


def interpreter_of(node: Node, connection: Connection) -> Interpreter:
    """The Python a node has; DeployError when it has none or one that is too old."""
    python = str(node.handle.get("python", "python3"))
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
    python = str(node.handle.get("python", "python3"))
    begin = time.monotonic()
    copied = _copy(package, python, connection)
    copy_s = time.monotonic() - begin
    answer = _on_node(connection, python, "install", json.dumps(package.manifest()))
    return Placed(
        python=str(answer["python"]),
        code=str(answer["code"]),
        build_s=package.build_s if is_first else 0.0,
        copy_s=copy_s,
        install_s=float(answer["seconds"]),
        copied_bytes=copied,
    )


def _copy(package: Package, python: str, connection: Connection) -> int:
    """Copy the parts the node lacks; returns the bytes."""
    parts = dict(package.parts())
    missing = _on_node(connection, python, "has", *parts)
    with ThreadPoolExecutor(PARALLEL_COPIES) as pool:
        list(pool.map(lambda name: connection.put(parts[name], ROOT / name), missing))
    return sum(parts[name].stat().st_size for name in missing)


def _on_node(connection: Connection, python: str, *arguments: str) -> Any:
    """What ``node_install`` answers on the node; outside its limits, for it is not what is measured."""
    argv = [python, "-I", "-c", _source(), str(ROOT), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = connection.start(argv, env={}, log=log, limits=None)
        try:
            status = process.wait(INSTALL_TIMEOUT_S)
        finally:
            process.kill()
        said = log.read_text(encoding="utf-8", errors="replace").strip()
    if status:
        tail = "\n".join(f"  {line}" for line in said.splitlines()[-8:])
        raise DeployError(f"{connection.node}: the package cannot be installed (status {status}):\n{tail}")
    return json.loads(said.splitlines()[-1])


@cache
def _source() -> str:
    return (Path(__file__).parent / "node_install.py").read_text(encoding="utf-8")
