"""Minimal nodes on a fabric, which are only network namespaces, for benchmarks and tests of links."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from continuum.connection.base import Completed
from continuum.connection.deployment import Deployment
from continuum.errors import CommandFailed
from continuum.host import netns
from continuum.model.limits import Limits
from continuum.model.node import Node
from continuum.model.topology import Link, NodeSpec, Tier, Topology
from continuum.network.fabric import tun
from continuum.network.fabric.client import Client, launch

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Why this host cannot run such nodes; empty if it can."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no permission to use /dev/net/tun"
    try:
        netns.visit(_enter_new_namespace)
    except OSError as error:
        return f"network namespaces cannot be created: {error}"
    return ""


class BareNode:
    """A network namespace with one TUN device, ``eth0``."""

    def __init__(self, name: str, tier: str, address: str) -> None:
        self.name, self.tier, self.address = name, tier, address
        self.namespace, self.tun = netns.visit(self._make)

    def _make(self) -> tuple[int, int]:
        _enter_new_namespace()
        netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        tun.bring_loopback_up()
        fd = tun.open_tun()
        tun.configure("eth0", self.address, 16)
        tun.raise_tcp_buffers()
        return netns, fd

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in a thread inside the node's namespace; its sockets stay in the node."""

        def inside() -> T:
            if _LIBC.setns(self.namespace, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            return function()

        return netns.visit(inside)

    def start(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program inside the node."""
        return self.call(lambda: subprocess.Popen(argv, **options))


class BareProcess:
    """A program inside a node; implements ``connection.base.Process``."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int:
        """Wait for the end; returns the exit status."""
        return self._popen.wait(timeout)

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(data)
        self._popen.stdin.flush()

    def kill(self) -> None:
        """Kill the program."""
        assert self._popen.stdin is not None
        self._popen.kill()
        self._popen.stdin.close()

    terminate = kill


class BareConnection:
    """A connection to a node, with the parts of ``connection.base.Connection`` that measuring links uses."""

    host_clock = True

    def __init__(self, node: BareNode) -> None:
        self.node = node.name
        self._node = node

    def run(
        self, argv: Sequence[str], *, timeout: float, check: bool = True, stdin: bytes | None = None
    ) -> Completed:
        """Run a command to its end."""
        process = self._node.start(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = process.communicate(stdin, timeout)
        if check and process.returncode:
            raise CommandFailed(self.node, argv, process.returncode, err.decode())
        return Completed(tuple(argv), process.returncode, out.decode(), err.decode())

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], log: Path, limits: Limits | None = None
    ) -> BareProcess:
        """Start a command."""
        with log.open("ab") as file:
            return BareProcess(
                self._node.start(
                    argv, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=file, stderr=file
                )
            )


class BareNetwork:
    """Nodes and their fabric; a context manager.

    Args:
        nodes: tier of each node, by name.
        links: initial links.
        seed: seed of the fabric.
    """

    def __init__(self, nodes: Mapping[str, str], links: Iterable[Link] = (), seed: int = 1) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="continuum-fabric-"))
        self.pid = launch(self.directory, self.directory.name, seed)
        self.client = Client(self.directory)
        self.nodes = {
            name: BareNode(name, tier, f"10.77.{number // 200}.{number % 200 + 1}")
            for number, (name, tier) in enumerate(nodes.items())
        }
        made = list(self.nodes.values())
        self.client.attach([(n.name, n.tier, n.address) for n in made], [n.tun for n in made])
        for node in made:
            os.close(node.tun)
        if links := list(links):
            self.client.shape(links)

    def __enter__(self) -> BareNetwork:  # noqa: PYI034 (Self is newer than Python 3.10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> BareNode:
        return self.nodes[name]

    def shape(self, *links: Link) -> None:
        """Change links."""
        self.client.shape(links)

    def deployment(self, *links: Link) -> Deployment:
        """Apply links; returns the nodes as a deployment with them."""
        self.shape(*links)
        names = dict.fromkeys(node.tier for node in self.nodes.values())
        members = {tier: [node for node in self.nodes.values() if node.tier == tier] for tier in names}
        specs = {
            node.name: NodeSpec(node.name, tier, index, 1, 256)
            for tier, nodes in members.items()
            for index, node in enumerate(nodes)
        }
        tiers = tuple(Tier(tier, len(nodes), 1, 256) for tier, nodes in members.items())
        topology = Topology(tiers, tuple(specs.values()), links, emulated=True)
        nodes = tuple(Node(spec, self.nodes[name].address) for name, spec in specs.items())
        connections: Any = {name: BareConnection(node) for name, node in self.nodes.items()}
        return Deployment(topology, nodes, connections, "fabric")

    def close(self) -> None:
        """Stop the fabric and remove all nodes."""
        self.client.close()
        for node in self.nodes.values():
            os.close(node.namespace)
        shutil.rmtree(self.directory)


def both_ways(src: str, dst: str, **shape: Any) -> tuple[Link, Link]:
    """The same link in both directions."""
    return Link(src, dst, **shape), Link(dst, src, **shape)


def _enter_new_namespace() -> None:
    if _LIBC.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
