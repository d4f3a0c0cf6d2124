"""Connection to a node that is a set of namespaces of this host."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from continuum.connection import entry, namespace_files
from continuum.connection.base import Completed
from continuum.connection.process import MarkedProcess, kill
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.host import capabilities
from continuum.model.limits import Limits
from continuum.sdk import protocol

_NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GRACE_S = 0.05


@dataclass(frozen=True)
class NamespaceTarget:
    """The namespaces of one node.

    Attributes:
        node: the node's name.
        run_id: the run it belongs to.
        pid: process id, on this host, of the node's process 1.
        start: start time of that process, in clock ticks since boot; identifies it together with ``pid``.
        in_user_namespace: whether the node has its own user namespace.
        python: the Python interpreter on the node.
        join: creates the control groups for the limits of a process; returns the files to write its pid to.
        capabilities: the capabilities that programs on the node keep, as in ``NET_RAW``; None for all.
    """

    node: str
    run_id: str
    pid: int
    start: int
    in_user_namespace: bool = False
    python: str = sys.executable
    join: Callable[[Limits], Sequence[Path]] = lambda _limits: ()
    capabilities: tuple[str, ...] | None = None


class NamespaceConnection:
    """Runs commands in a node's namespaces; implements ``Connection``."""

    host_clock = True

    def __init__(self, target: NamespaceTarget) -> None:
        self.node = target.node
        self._target = target

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        check: bool = True,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a command to its end, within the limits of the node."""
        process = self._spawn(
            argv,
            Limits(),
            {},
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            stdout, stderr = process.entered.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self.node, argv, timeout) from None
        finally:
            if process.popen.returncode is None:
                process.kill()
                kill(process.popen)
        status = process.entered.wait()
        completed = Completed(
            tuple(argv), status, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
        )
        if check and status:
            raise CommandFailed(self.node, argv, status, completed.stderr)
        return completed

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = Limits(),  # noqa: B008 - frozen
    ) -> NamespaceProcess:
        """Start a command; its output is appended to ``log`` as it arrives."""
        with log.open("ab") as file:
            return self._spawn(
                argv, limits, env, stdin=subprocess.PIPE, stdout=file.fileno(), stderr=file.fileno()
            )

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command within the limits of the node, connected to the standard streams of this process."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the command, which receives it, too
        try:
            extra = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
            process = self._spawn(
                argv, Limits(), extra, stdin=None, stdout=None, stderr=None, in_background=False
            )
            try:
                status = process.popen.wait()
            finally:
                process.kill()
        finally:
            signal.signal(signal.SIGINT, before)
        return 128 - status if status < 0 else status

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file of this host to the node atomically, creating missing folders."""
        with self._root() as root:
            namespace_files.put(root, src, dst)

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder of the node to this host."""
        with self._root() as root:
            namespace_files.get(root, src, dst)

    def dial(self, port: int) -> socket.socket:
        """A connection through a relay program on the node, which ends with it."""
        ours, theirs = socket.socketpair()
        source = Path(__file__).with_name("relay.py").read_text(encoding="utf-8")
        with theirs:
            process = self._spawn(
                [self._target.python, "-I", "-c", source, str(port)],
                None,
                {},
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
            )
        threading.Thread(target=process.popen.wait, daemon=True).start()
        return ours

    @contextlib.contextmanager
    def clock(self) -> Iterator[Callable[[], int]]:
        """The host's clock, which nodes share."""
        yield time.monotonic_ns

    def close(self) -> None:
        """Does nothing: there is no connection to close."""

    @contextlib.contextmanager
    def _root(self) -> Iterator[int]:
        """Descriptor of the node's root folder; ConnectionFailure if the node is gone."""
        try:
            root = os.open(f"/proc/{self._target.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._gone() from error
        try:
            self._check()
            yield root
        finally:
            os.close(root)

    def _check(self) -> None:
        """Raise ConnectionFailure if the node's pid belongs to another process by now."""
        try:
            raw = Path(f"/proc/{self._target.pid}/stat").read_bytes()
        except OSError:
            raise self._gone() from None
        fields = raw.rpartition(b")")[2].split()
        if int(fields[19]) != self._target.start or fields[0] in {b"Z", b"X"}:
            raise self._gone()

    def _gone(self) -> ConnectionFailure:
        return ConnectionFailure(
            f"{self.node}: the node is gone (its process {self._target.pid} has ended);"
            f" run: continuum destroy {self._target.run_id}"
        )

    def _spawn(
        self,
        argv: Sequence[str],
        limits: Limits | None,
        env: Mapping[str, str],
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        in_background: bool = True,
    ) -> NamespaceProcess:
        token = secrets.token_hex(8)
        kept = self._target.capabilities
        with self._process_1() as process:
            files = self._target.join(limits) if limits is not None else ()
            request = entry.Request(
                argv=tuple(self._target.python if word == "{python}" else word for word in argv),
                environment=node_environment(self._target, {**env, protocol.ENV_PROCESS: token}),
                join=tuple(str(file) for file in files),
                capabilities=None if kept is None else capabilities.numbers(kept),
                in_user_namespace=self._target.in_user_namespace,
                new_session=in_background,
            )
            popen = entry.spawn(request, process, stdin, stdout, stderr)
        return NamespaceProcess(self._target, tuple(argv), popen, f"{protocol.ENV_PROCESS}={token}")

    @contextlib.contextmanager
    def _process_1(self) -> Iterator[int]:
        """Descriptor (pidfd) of the node's process 1; ConnectionFailure if the node is gone."""
        try:
            descriptor = os.pidfd_open(self._target.pid)
        except OSError as error:
            raise self._gone() from error
        try:
            self._check()
            yield descriptor
        finally:
            os.close(descriptor)


def node_environment(target: NamespaceTarget, own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process on the node; nothing but PATH is inherited from this process."""
    return {
        "PATH": os.environ.get("PATH", "") + os.pathsep + _NODE_PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        protocol.ENV_RUN: target.run_id,
        protocol.ENV_NODE: target.node,
        **own,
    }


class NamespaceProcess(MarkedProcess):
    """A command on a node; implements ``Process``."""

    def __init__(
        self, target: NamespaceTarget, argv: tuple[str, ...], popen: entry.Entered, mark: str
    ) -> None:
        super().__init__(target.node, argv, popen)
        self.entered = popen
        self._pid, self._mark = target.pid, mark

    def signal_there(self, number: int, *, first_only: bool) -> int:
        """Send a signal to the command and its children on the node."""
        return namespace_files.signal_marked(
            self._pid, self._mark, signal.Signals(number), first_only=first_only
        )

    def kill(self) -> None:
        """Kill it and all its children on the node (SIGKILL); harmless if it has ended."""
        if self.popen.poll() is None:
            self.kill_there()  # first, so that the status is the command's if possible
        self.end_client(_GRACE_S)
        self.kill_there()
