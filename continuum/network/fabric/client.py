"""Starts the fabric of a run and communicates with it through its control socket.

The socket carries packets (SOCK_SEQPACKET), each a JSON object; long replies consist of several packets (see
``wire``). TUN descriptors are passed with the names of their nodes (SCM_RIGHTS).
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from continuum.errors import ProvisionError
from continuum.host import namespaces
from continuum.model.topology import Link
from continuum.network.fabric import wire
from continuum.rundir import index
from continuum.sdk import protocol

SOCKET_NAME = "fabric.sock"
"""File name of the control socket in the run directory."""


def launch(run_directory: Path, run_id: str, seed: int) -> int:
    """Start the fabric of a run and return its process id, without waiting for it.

    When this returns, the control socket accepts connections; requests wait until the process is ready. The
    process has its own session, has the run's id on its command line and in its environment, outlives the
    caller, and logs to ``logs/fabric.log``.

    Raises:
        ProvisionError: the socket or the log cannot be created, or the run already has a fabric.
    """
    try:
        (run_directory / "logs").mkdir(mode=0o700, exist_ok=True)
        with _listen(run_directory) as listener:
            return _spawn(listener, run_directory, run_id, seed)
    except OSError as error:
        raise ProvisionError(f"fabric: cannot start in {run_directory}: {error}") from error


def _listen(run_directory: Path) -> socket.socket:
    """Create the listening control socket, to which only its owner can connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before bind, which creates the file with this mode
        with wire.short_path(run_directory, SOCKET_NAME) as path:
            listener.bind(path)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _spawn(listener: socket.socket, run_directory: Path, run_id: str, seed: int) -> int:
    # It inherits the reservation of the run's id, a socket that ``Run.hold`` has made inheritable.
    program, log = str(Path(__file__).parent), str(run_directory / "logs" / "fabric.log")
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", program, run_id, str(seed)],
        {
            protocol.ENV_RUN: run_id,
            protocol.ENV_RUN_DIRECTORY: str(run_directory),
            protocol.ENV_ORIGIN: namespaces.origin(),
            **index.state_variable(),
            "PATH": os.environ.get("PATH", os.defpath),
        },
        file_actions=[
            (os.POSIX_SPAWN_DUP2, listener.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


class Client:
    """A connection to the fabric of one run.

    Args:
        run_directory: the run's folder.
        timeout_s: time-out for each answer.

    Attributes:
        asked_s: reading of CLOCK_MONOTONIC just after the last request was sent.

    Raises:
        ProvisionError: no fabric answers. All methods raise it as well, for requests that are refused or not
            answered.
    """

    def __init__(self, run_directory: Path, timeout_s: float = 30.0) -> None:
        self._where = run_directory / SOCKET_NAME
        self.asked_s = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout_s)
        try:
            with wire.short_path(run_directory, SOCKET_NAME) as path:
                self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise ProvisionError(f"no fabric answers at {self._where}: {error}") from error

    def __enter__(self) -> Client:  # noqa: PYI034 (Self is newer than Python 3.10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def attach(self, nodes: Sequence[tuple[str, str, str]], fds: Sequence[int]) -> None:
        """Attach nodes to the fabric; the caller closes its own descriptors.

        Args:
            nodes: name, tier and IPv4 address of each.
            fds: descriptors of their TUN devices, as ``tun.open_tun`` returns them, in the same order.
        """
        if len(nodes) != len(fds):
            raise ProvisionError(f"fabric: {len(nodes)} nodes but {len(fds)} descriptors")
        for start in range(0, len(nodes), wire.MAX_DESCRIPTORS):
            batch = slice(start, start + wire.MAX_DESCRIPTORS)
            self._ask({"op": "attach", "nodes": [list(node) for node in nodes[batch]]}, fds[batch])

    def shape(self, links: Sequence[Link]) -> None:
        """Apply links to all packets that are sent from now on.

        ``src`` and ``dst`` of a link name a tier or a node; the link of a node overrides that of its tier.
        """
        for batch in _batches(links, 200):
            self._ask({"op": "shape", "links": [_as_json(link) for link in batch]})

    def stats(self) -> dict[str, Any]:
        """Counters since the start: ``links`` per ordered pair of tiers, and the state of the fabric.

        The entries of ``links`` have the fields of ``switch.Counters``; ``switch.Switch.stats`` describes the
        rest.
        """
        return self._ask({"op": "stats"})

    def expect_probes(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Note the delay chosen for sentinel probes: sending node, receiving node, UDP port of each path."""
        self._ask({"op": "expect_probes", "pairs": [list(pair) for pair in pairs]})

    def intended(self) -> dict[tuple[int, int], float]:
        """Delay in s that was chosen for each probe since the last call, by stream and number."""
        return {
            (stream, number): delay_s for stream, number, delay_s in self._ask({"op": "intended"})["probes"]
        }

    def applied(self) -> tuple[Link, ...]:
        """The links that the fabric applies."""
        return tuple(Link(**link) for link in self._ask({"op": "applied"})["links"])

    def detach(self, nodes: Sequence[str]) -> None:
        """Close the TUN devices of nodes, which removes their interfaces."""
        self._ask({"op": "detach", "nodes": list(nodes)})

    def close(self) -> None:
        """Close all TUN devices and end the fabric; returns when its process has ended.

        The process is reaped if it is a child of this one.
        """
        pid = int(self._ask({"op": "close"})["pid"])
        with suppress(OSError):
            self._socket.recv(1)  # the process holds the other end until it exits
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        with suppress(OSError):
            self._where.unlink()

    def _ask(self, request: Mapping[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        try:
            socket.send_fds(self._socket, [wire.encode(request)], list(fds))
            self.asked_s = time.monotonic()
            reply = wire.receive_reply(self._socket)
        except (OSError, EOFError, ValueError) as error:
            raise ProvisionError(f"fabric at {self._where}: {request['op']}: no answer: {error}") from error
        if "error" in reply:
            raise ProvisionError(f"fabric: {request['op']}: {reply['error']}")
        return reply


def _as_json(link: Link) -> dict[str, Any]:
    return {
        "src": link.src,
        "dst": link.dst,
        "latency_ms": link.latency_ms,
        "jitter_ms": link.jitter_ms,
        "jitter_correlation_ms": link.jitter_correlation_ms,
        "queue_bytes": link.queue_bytes,
        "bandwidth_mbit": link.bandwidth_mbit,
        "loss_percent": link.loss_percent,
    }


def _batches(links: Sequence[Link], size: int) -> Iterator[Sequence[Link]]:
    for start in range(0, len(links), size):
        yield links[start : start + size]
