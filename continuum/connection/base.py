"""The one way to a node: run, start, put, get, close.

Every kind of node has a Connection of its own in a file beside this one.
"""

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
    """A command that came to its end.

    Attributes:
        argv: the command.
        status: exit status; negative for the signal that killed it.
        stdout: what it printed, decoded as UTF-8 with replacement.
        stderr: the same for standard error.
    """

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Process(Protocol):
    """A command that runs on a node."""

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""

    def write(self, data: bytes) -> None:
        """Send ``data`` to its standard input at once."""

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); harmless when it has ended."""

    def kill(self) -> None:
        """End it and all its children on the node (SIGKILL); harmless when it has ended."""


class Connection(Protocol):
    """Access to one node, never through the emulated links.

    Attributes:
        node: the node's name.
        host_clock: True when the node reads the very clock of this process (CLOCK_MONOTONIC).
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
        """Run a command to its end, inside the node and its limits.

        Raises CommandFailed for a status other than 0 when ``check``, CommandTimeout after
        ``timeout`` seconds, ConnectionFailure when the node cannot be reached.
        """

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = NO_LIMITS,
    ) -> Process:
        """Start a command; its standard output and error are appended to ``log`` as they come.

        ``log`` is a file of this host. ``limits`` bound it within its node; with ``limits=None`` it
        is outside the node's CPU, memory and disk limits too, as measuring tools must be.
        """

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command inside the node and its limits with this process's own standard streams.

        Returns its exit status, 128 + the signal's number when one killed it, as shells do.
        """

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file of this host to the node, making folders on the way; atomic at ``dst``."""

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder of the node to this host."""

    def dial(self, port: int) -> socket.socket:
        """A TCP connection to a port of the node's loopback, over a path without emulation.

        Where nobody listens there ConnectionFailure is raised, or the connection ends at once.
        """

    def clock(self) -> AbstractContextManager[Callable[[], int]]:
        """A reader of the node's CLOCK_MONOTONIC in ns, over a path without emulation."""

    def close(self) -> None:
        """Give up what the connection holds; processes it started go on."""
