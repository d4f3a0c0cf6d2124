"""Connection to a host over OpenSSH."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from continuum.connection.base import Completed
from continuum.connection.process import END_TIMEOUT_S, MarkedProcess, kill
from continuum.connection.ssh import command
from continuum.connection.ssh.command import SshTarget
from continuum.connection.ssh.master import Master
from continuum.connection.unpack import unpack
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.model.limits import Limits
from continuum.sdk import protocol

__all__ = ["SshConnection", "SshProcess", "SshTarget"]

TRANSFER_TIMEOUT_S = 900.0
_NODE_AGENT = Path(__file__).parent.with_name("node_agent.py")
_HELPER_TIMEOUT_S = 30.0
_CLOCK_TIMEOUT_S = 10.0
_GRACE_S = 1.0
_IS_FOLDER, _IS_OTHER, _IS_MISSING = 64, 65, 66
_PUT = (
    'd=$(dirname -- "$1") && mkdir -p -- "$d" && t=$(mktemp -- "$d/.continuum.XXXXXX") || exit;'
    ' if cat >"$t" && [ "$(wc -c <"$t")" -eq "$2" ] && chmod "$3" "$t" && mv -fT -- "$t" "$1"; then exit 0;'
    ' else s=$?; rm -f -- "$t"; exit "$s"; fi'
)
_GET = (
    f'[ -e "$1" ] || exit {_IS_MISSING}; [ -d "$1" ] && exit {_IS_FOLDER};'
    f' [ -f "$1" ] || exit {_IS_OTHER}; exec cat -- "$1"'
)


class SshConnection:
    """Runs commands on a host by ``ssh``, all over one network connection; implements ``Connection``."""

    host_clock = False

    def __init__(self, target: SshTarget) -> None:
        self.node = target.node
        self.target = target
        self._master = Master(target)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        check: bool = True,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a command to its end; the time to connect does not count."""
        return self._run(argv, timeout=timeout, check=check, stdin=stdin, enter=self.target.enter)

    def _run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        check: bool = True,
        stdin: bytes | None = None,
        enter: Sequence[str] = (),
        kill_there: bool = True,
    ) -> Completed:
        token = secrets.token_hex(8)
        text = command.run(self.target, token, [*enter, *argv])
        given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        popen = self._spawn(text, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = popen.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self.node, argv, timeout) from None
        finally:
            self._end(popen, token if kill_there else "")
        status, said = self._status(argv, popen, stderr, token, check=check)
        return Completed(tuple(argv), status, stdout.decode("utf-8", "replace"), said)

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = Limits(),  # noqa: B008 - frozen
    ) -> SshProcess:
        """Start a command; its output is appended to ``log`` as it arrives."""
        token = secrets.token_hex(8)
        header = command.environment(self.target, token, env).encode()
        wrap = [*self.target.wrap(limits)] if limits is not None else []
        text = command.start(self.target, header, [*self.target.enter, *wrap, *argv])
        with log.open("ab") as file:
            popen = self._spawn(text, stdin=subprocess.PIPE, stdout=file.fileno(), stderr=file.fileno())
        process = SshProcess(self, tuple(argv), popen, token)
        process.write(header)
        return process

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command with the standard streams of this process, with a terminal if they are one."""
        token = secrets.token_hex(8)
        words = ("-tt",) if sys.stdin.isatty() else ()
        text = command.attach(self.target, token, [*self.target.enter, *argv])
        line = [*self._master.command(*words), text]
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the command
        try:
            popen = subprocess.Popen(line)
            status = popen.wait()
        finally:
            signal.signal(signal.SIGINT, before)
        if status < 0 or status == command.LOST:
            with contextlib.suppress(ConnectionFailure):
                self.signal_marked(f"{protocol.ENV_PROCESS}={token}", signal.SIGKILL, first_only=False)
        return 128 - status if status < 0 else status

    def entering(self, *words: str) -> SshConnection:
        """The same network connection, for commands with this prefix."""
        other = SshConnection(replace(self.target, enter=words))
        other._master = self._master
        return other

    def client(self) -> list[str]:
        """The ssh command that uses the open connection: ``ssh OPTION... -- HOST``."""
        return self._master.command()

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file of this host to the node atomically, creating missing folders."""
        with src.open("rb") as file:
            found = os.fstat(file.fileno())
            argv = ["sh", "-c", _PUT, "put", str(dst), str(found.st_size), f"{stat.S_IMODE(found.st_mode):o}"]
            self._transfer(argv, stdin=file, stdout=None, check=True)

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder of the node to this host."""
        dst.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=dst.parent, prefix=".continuum-", delete=False) as file:
            temporary = Path(file.name)
            try:
                status = self._transfer(["sh", "-c", _GET, "get", str(src)], stdin=None, stdout=file)
                if status == 0:
                    temporary.replace(dst)
                elif status == _IS_FOLDER:
                    argv = ["tar", "-C", str(src), "-cf", "-", "."]
                    self._transfer(argv, stdin=None, stdout=file, check=True)
                    file.seek(0)
                    unpack(file, dst)
                elif status == _IS_MISSING:
                    raise FileNotFoundError(f"{self.node}: no such file or folder: {src}")
                else:
                    raise OSError(
                        f"{self.node}: cannot copy {src} (status {status}); not a readable file or folder"
                    )
            finally:
                temporary.unlink(missing_ok=True)

    def dial(self, port: int) -> socket.socket:
        """A connection to a port of the host, forwarded by its ssh daemon."""
        ours, theirs = socket.socketpair()
        with theirs:
            popen = subprocess.Popen(
                self._master.command("-T", "-W", f"127.0.0.1:{port}"),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        threading.Thread(target=popen.wait, daemon=True).start()  # the client ends with the connection
        return ours

    @contextlib.contextmanager
    def clock(self) -> Iterator[Callable[[], int]]:
        """A function that reads the node's clock, from a program on the node."""
        text = command.attach(self.target, secrets.token_hex(8), self._agent("clock"))
        popen = self._spawn(text, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert popen.stdin
        assert popen.stdout
        asked, answers = popen.stdin, popen.stdout
        try:
            yield lambda: self._read_clock(asked, answers)
        finally:
            with contextlib.suppress(OSError):
                asked.close()  # ends the program
            try:
                popen.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait(END_TIMEOUT_S)
            answers.close()

    def close(self) -> None:
        """Close the network connection; processes on the host continue."""
        self._master.close()

    def signal_marked(self, mark: str, number: int, *, first_only: bool) -> int:
        """Send a signal to the processes on the node that have ``mark`` in their environment.

        Args:
            mark: an entry of the environment, as in ``NAME=value``; children of such processes count, too.
            number: the signal.
            first_only: only to processes without a marked ancestor.

        Returns:
            The number of processes.
        """
        which = "first" if first_only else "all"
        argv = self._agent("signal", mark, str(int(number)), which)
        # The agent is not killed in turn: a node where it does not end would be asked again and again.
        done = self._run(argv, timeout=_HELPER_TIMEOUT_S, kill_there=False)
        return int(done.stdout)

    def kill_all(self, run_id: str) -> None:
        """Kill every process of a run on the node, including those that start meanwhile."""
        deadline = time.monotonic() + END_TIMEOUT_S
        while self.signal_marked(f"{protocol.ENV_RUN}={run_id}", signal.SIGKILL, first_only=False):
            if time.monotonic() > deadline:
                raise ConnectionFailure(f"{self.node}: processes of run {run_id} cannot be killed")

    def usage(self) -> str:
        """Resource usage of the node, as JSON (see ``node_agent``)."""
        mark = f"{protocol.ENV_RUN}={self.target.run_id}"
        return self._run(self._agent("usage", mark), timeout=_HELPER_TIMEOUT_S).stdout

    @property
    def alive(self) -> bool:
        """Whether the network connection is open."""
        return self._master.alive

    def is_lost(self) -> bool:
        """Whether the network connection has ended; for commands that ended with ssh's status 255."""
        return self._master.is_lost()

    def lost(self) -> ConnectionFailure:
        """The error for a lost connection."""
        return ConnectionFailure(f"{self.node}: the connection to {self.target.destination} was lost")

    def _agent(self, verb: str, *words: str) -> list[str]:
        source = _NODE_AGENT.read_text(encoding="utf-8")
        return [self.target.python, "-I", "-S", "-c", source, verb, *words]

    def _read_clock(self, asked: IO[bytes], answers: IO[bytes]) -> int:
        try:
            asked.write(b"\n")
            asked.flush()
        except OSError:
            raise self.lost() from None
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([answers], [], [], _CLOCK_TIMEOUT_S)[0]:
                raise ConnectionFailure(f"{self.node}: its clock did not answer")
            part = os.read(answers.fileno(), 64)
            if not part:
                raise ConnectionFailure(
                    f"{self.node}: cannot read its clock; is {self.target.python} installed on it?"
                )
            line += part
        return int(line)

    def _transfer(
        self, argv: Sequence[str], *, stdin: IO[bytes] | None, stdout: IO[bytes] | None, check: bool = False
    ) -> int:
        token = secrets.token_hex(8)
        popen = self._spawn(
            command.run(self.target, token, argv),
            stdin=subprocess.DEVNULL if stdin is None else stdin.fileno(),
            stdout=subprocess.DEVNULL if stdout is None else stdout.fileno(),
            stderr=subprocess.PIPE,
        )
        shown = [argv[0], *argv[3:]] if argv[0] == "sh" else argv
        try:
            _, stderr = popen.communicate(timeout=TRANSFER_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(self.node, shown, TRANSFER_TIMEOUT_S) from None
        finally:
            self._end(popen, token)
        return self._status(shown, popen, stderr, token, check=check)[0]

    def _status(
        self, argv: Sequence[str], popen: subprocess.Popen[bytes], stderr: bytes, token: str, *, check: bool
    ) -> tuple[int, str]:
        """Exit status and standard error of a command that has ended."""
        status, raw = command.split_status(stderr, token)
        said = raw.decode("utf-8", "replace")
        if status is None:
            if popen.returncode == command.LOST and self.is_lost():
                raise self.lost()
            words = said.strip() or f"ssh ended with status {popen.returncode}"
            raise ConnectionFailure(f"{self.node}: {argv[0]}: did not end normally: {words}")
        if check and status:
            raise CommandFailed(self.node, argv, status, said)
        return status, said

    def _spawn(self, text: str, *, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._master.command("-T"), text],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _end(self, popen: subprocess.Popen[bytes], token: str) -> None:
        """Kill a command on the node, if a token is given, and its client, unless the client has ended.

        Ignores a lost connection. What the command has written is discarded.
        """
        if popen.returncode is not None:
            return
        with contextlib.suppress(ConnectionFailure):
            if token and self.alive:
                self.signal_marked(f"{protocol.ENV_PROCESS}={token}", signal.SIGKILL, first_only=False)
        kill(popen)


class SshProcess(MarkedProcess):
    """A command on a host; implements ``Process``."""

    def __init__(
        self, connection: SshConnection, argv: tuple[str, ...], popen: subprocess.Popen[bytes], token: str
    ) -> None:
        super().__init__(connection.node, argv, popen)
        self._connection, self._mark = connection, f"{protocol.ENV_PROCESS}={token}"
        self._is_lost: bool | None = None

    def poll(self) -> int | None:
        """Exit status, or None while it runs; ConnectionFailure if the connection is lost."""
        status = self.popen.poll()
        if status == command.LOST and self._is_lost is None:
            self._is_lost = self._connection.is_lost()
        if self._is_lost:
            raise self._connection.lost()
        return status

    def signal_there(self, number: int, *, first_only: bool) -> int:
        """Send a signal to the command and its children on the host."""
        return self._connection.signal_marked(self._mark, number, first_only=first_only)

    def kill(self) -> None:
        """Kill it and all its children (SIGKILL); harmless if it has ended or its host is lost."""
        self.kill_there()
        self.end_client(_GRACE_S)
