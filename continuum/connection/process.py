"""What is common to commands on nodes that a program of this host starts and waits for."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod

from continuum.errors import CommandTimeout, ConnectionFailure

END_TIMEOUT_S = 10.0
"""How long a command may take to be gone once it was killed."""

_POLL_S = 0.01


class ClientProcess:
    """A command on a node, and the client here that ends as it ends; most of ``Process``.

    Args:
        node: the node's name.
        argv: the command.
        popen: the client, whose standard input and exit status are the command's.
    """

    def __init__(self, node: str, argv: tuple[str, ...], popen: subprocess.Popen[bytes]) -> None:
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
        """Send ``data`` to its standard input at once."""
        if self.popen.stdin is None:
            raise ConnectionFailure(f"{self._node}: {self._argv[0]}: has no standard input")
        try:
            self.popen.stdin.write(data)
            self.popen.stdin.flush()
        except (OSError, ValueError) as error:
            raise ConnectionFailure(
                f"{self._node}: {self._argv[0]}: takes no input any more: {error}"
            ) from error

    def end_client(self, grace_s: float) -> None:
        """Let the client end by itself for some seconds, then kill it; its input is closed."""
        try:
            self.popen.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(END_TIMEOUT_S)
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()


class MarkedProcess(ClientProcess, ABC):
    """A command that is found on its node, with its children, by a mark in their environment."""

    @abstractmethod
    def signal_there(self, number: int, *, first_only: bool) -> int:
        """Send a signal to the marked processes, or only to those that none of the others started.

        Returns how many there were; raises ConnectionFailure when the node cannot be reached.
        """

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); harmless when it has ended or its node is gone."""
        deadline = time.monotonic() + END_TIMEOUT_S
        with contextlib.suppress(ConnectionFailure):
            # Just after its start the command may not have come to the node yet.
            while self.popen.poll() is None and time.monotonic() < deadline:
                if self.signal_there(signal.SIGTERM, first_only=True):
                    return
                time.sleep(_POLL_S)

    def kill_there(self) -> None:
        """Kill all of it on the node until none is left, since the killed may just have started others."""
        deadline = time.monotonic() + END_TIMEOUT_S
        with contextlib.suppress(ConnectionFailure):
            while time.monotonic() < deadline and self.signal_there(signal.SIGKILL, first_only=False):
                time.sleep(_POLL_S)
