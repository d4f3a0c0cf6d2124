"""Access to a node: the protocol that every kind of connection implements."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from continuum.model.limits import NO_LIMITS, Limits


@dataclass(frozen=True)
class Completed:
    """A command that has ended.

    Attributes:
        argv: the command.
        status: exit status; the negative number of the signal that killed it.
        stdout: its standard output, decoded as UTF-8 with replacement characters.
        stderr: its standard error, decoded the same way.
    """

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Process(Protocol):
    """A command on a node."""

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""

    def write(self, data: bytes) -> None:
        """Write ``data`` to its standard input, unbuffered."""

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended."""

    def kill(self) -> None:
        """Kill it and all its children on the node (SIGKILL); harmless if it has ended."""


class Connection(Protocol):
    """Access to one node, never over the emulated links.

    Attributes:
        node: the node's name.
        host_clock: whether the node has the same CLOCK_MONOTONIC as this process.
    """

    node: str
    host_clock: bool

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        check: bool = True,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a command to its end, within the limits of the node.

        Raises CommandFailed for a status other than 0 if ``check``, CommandTimeout after ``timeout`` seconds,
        ConnectionFailure if the node cannot be reached.
        """

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = NO_LIMITS,
    ) -> Process:
        """Start a command; its output is appended to ``log`` as it arrives.

        ``log`` is a file of this host. ``limits`` apply within the limits of the node; with ``limits=None``
        the command is outside the node's CPU, memory and disk limits, too, as measuring tools must be.
        """

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command within the limits of the node, connected to the standard streams of this process.

        Returns its exit status, or 128 + the number of the signal that killed it, as shells do.
        """

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file of this host to the node atomically, creating missing folders."""

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder of the node to this host."""

    def dial(self, port: int) -> socket.socket:
        """A TCP connection to a port of the node's loopback interface, over a path without emulation.

        If no program listens on the port, ConnectionFailure is raised or the connection ends at once.
        """

    def clock(self) -> AbstractContextManager[Callable[[], int]]:
        """A function that reads the node's CLOCK_MONOTONIC in ns, over a path without emulation."""

    def close(self) -> None:
        """Close the connection; processes that it started continue."""
