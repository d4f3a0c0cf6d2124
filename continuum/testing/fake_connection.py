"""A connection to a fake node, for tests: a folder of this host, with processes of this host.

Nothing is isolated. Paths are mapped to the node's folder: an argument that is the path of an existing file
there, or ends in one after a ``=``, is replaced before the command runs. So are paths below the node's work
folder, whether they exist or not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from continuum.connection.base import Completed
from continuum.connection.process import END_TIMEOUT_S, Client, ClientProcess, kill
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.host.files import replacing
from continuum.model.limits import Limits
from continuum.model.node import FOLDER
from continuum.sdk import protocol

DIAL_TIMEOUT_S = 10.0


class FakeConnection:
    """Runs commands on this host and keeps files below one folder; implements ``Connection``.

    Args:
        node: the node's name.
        root: folder that replaces the node's ``/``.
        clock_offset_ns: how far the simulated clock of the node is ahead of this host's; None if the node
            shares the host's clock.
    """

    def __init__(self, node: str, root: Path, clock_offset_ns: int | None = None) -> None:
        self.node = node
        self.root = root
        self.host_clock = clock_offset_ns is None
        self._offset_ns = clock_offset_ns or 0

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        check: bool = True,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a command to its end."""
        pipe = subprocess.PIPE
        popen = self._popen(argv, {}, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            stdout, stderr = popen.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self.node, argv, timeout) from None
        finally:
            _kill_group(popen)
            kill(popen)
        if check and popen.returncode:
            raise CommandFailed(self.node, argv, popen.returncode, stderr.decode("utf-8", "replace"))
        return Completed(
            tuple(argv),
            popen.returncode,
            stdout.decode("utf-8", "replace"),
            stderr.decode("utf-8", "replace"),
        )

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = Limits(),  # noqa: B008 - frozen
    ) -> FakeProcess:
        """Start a command; limits are not enforced."""
        with log.open("ab") as file:
            popen = self._popen(argv, env, stdin=subprocess.PIPE, stdout=file.fileno(), stderr=file.fileno())
        return FakeProcess(self.node, tuple(argv), popen)

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command with this process's own standard streams."""
        status = self._popen(argv, {}, stdin=None, stdout=None, stderr=None).wait()
        return 128 - status if status < 0 else status

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file below the node's folder; atomic at ``dst``."""
        target = self._host_path(dst)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shutil.copy(src, temporary)

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder from below the node's folder."""
        source = self._host_path(src)
        dst.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, dst, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, dst)

    def dial(self, port: int) -> socket.socket:
        """A connection to this host's own loopback."""
        try:
            made = socket.create_connection(("127.0.0.1", port), DIAL_TIMEOUT_S)
        except OSError as error:
            raise ConnectionFailure(f"{self.node}: port {port}: {error.strerror or error}") from error
        made.settimeout(None)
        return made

    @contextlib.contextmanager
    def clock(self) -> Iterator[Callable[[], int]]:
        """The host's clock plus the simulated offset."""
        yield lambda: time.monotonic_ns() + self._offset_ns

    def close(self) -> None:
        """Does nothing: there is no connection to close."""

    def _host_path(self, path: PurePosixPath | str) -> Path:
        return self.root / str(path).lstrip("/")

    def _translated(self, word: str) -> str:
        if word == "{python}":
            return sys.executable
        before, sign, path = word.rpartition("=")
        ours = PurePosixPath(path).is_relative_to(FOLDER)
        if ours or (path.startswith("/") and path != "/" and self._host_path(path).exists()):
            return f"{before}{sign}{self._host_path(path)}"
        return word

    def _popen(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
    ) -> subprocess.Popen[bytes]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            return subprocess.Popen(
                [self._translated(word) for word in argv],
                cwd=self.root,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": str(self.root),
                    protocol.ENV_NODE: self.node,
                    **env,
                },
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise ConnectionFailure(f"{self.node}: {argv[0]}: {error.strerror}") from error


class FakeProcess(ClientProcess):
    """A process of this host; implements ``Process``."""

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended."""
        self.popen.terminate()

    def kill(self) -> None:
        """Kill it and the rest of its process group."""
        _kill_group(self.popen)
        self.end_client(END_TIMEOUT_S)


def _kill_group(popen: Client) -> None:
    # The process group exists, with the same id, as long as it has a member.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL)
