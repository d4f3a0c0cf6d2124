"""Base classes of commands on nodes that are run by a client process on this host."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from typing import IO, Protocol

from continuum.errors import CommandTimeout, ConnectionFailure

END_TIMEOUT_S = 10.0
"""Time limit for a command to end after it was killed."""

_POLL_S = 0.01


class Client(Protocol):
    """What is needed of ``subprocess.Popen``."""

    @property
    def pid(self) -> int:
        """Id of the process on this host."""

    @property
    def returncode(self) -> int | None:
        """Exit status; None until it is known."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Pipe to its standard input."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Pipe from its standard output."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """Pipe from its standard error."""

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Exit status; raises subprocess.TimeoutExpired after ``timeout`` seconds."""

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended."""

    def kill(self) -> None:
        """Send SIGKILL; harmless if it has ended."""


def kill(popen: Client) -> None:
    """Kill a process and close its pipes, without waiting for others that hold their far ends."""
    popen.kill()
    popen.wait(END_TIMEOUT_S)
    for pipe in (popen.stdin, popen.stdout, popen.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class ClientProcess:
    """A command on a node and its client process, which ends with the same status; most of ``Process``.

    Args:
        node: the node's name.
        argv: the command.
        popen: the client; its standard input and exit status are those of the command.
    """

    def __init__(self, node: str, argv: tuple[str, ...], popen: Client) -> None:
        self.popen = popen
        self._node, self._argv = node, argv

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self.popen.poll()

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self._node, self._argv, timeout) from None

    def write(self, data: bytes) -> None:
        """Write ``data`` to its standard input, unbuffered."""
        if self.popen.stdin is None:
            raise ConnectionFailure(f"{self._node}: {self._argv[0]}: has no standard input")
        try:
            self.popen.stdin.write(data)
            self.popen.stdin.flush()
        except (OSError, ValueError) as error:
            raise ConnectionFailure(
                f"{self._node}: {self._argv[0]}: its standard input is closed: {error}"
            ) from error

    def end_client(self, grace_s: float) -> None:
        """Wait some seconds for the client to end, then kill it; closes its standard input."""
        try:
            self.popen.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(END_TIMEOUT_S)
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()


class MarkedProcess(ClientProcess, ABC):
    """A command that is found on its node, with its children, by an entry in their environment."""

    @abstractmethod
    def signal_there(self, number: int, *, first_only: bool) -> int:
        """Send a signal to the marked processes, or only to those without a marked ancestor.

        Returns their number; raises ConnectionFailure if the node cannot be reached.
        """

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended or its node is gone."""
        deadline = time.monotonic() + END_TIMEOUT_S
        with contextlib.suppress(ConnectionFailure):
            # Just after its start, the command may not run on the node yet.
            while self.popen.poll() is None and time.monotonic() < deadline:
                if self.signal_there(signal.SIGTERM, first_only=True):
                    return
                time.sleep(_POLL_S)

    def kill_there(self) -> None:
        """Kill its processes on the node until none is left, since a killed one may have started another."""
        deadline = time.monotonic() + END_TIMEOUT_S
        with contextlib.suppress(ConnectionFailure):
            while time.monotonic() < deadline and self.signal_there(signal.SIGKILL, first_only=False):
                time.sleep(_POLL_S)
