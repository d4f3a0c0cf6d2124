"""Connection to a node that is a container, over the Docker API."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from continuum.connection.base import Completed
from continuum.connection.unpack import unpack
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.host import netns
from continuum.model.limits import Limits
from continuum.sdk import protocol
from infrastructure.docker.engine_api import DaemonError, Stream, client, daemon_errors
from infrastructure.docker.exec_process import (
    END_TIMEOUT_S,
    GATE,
    NOT_FOUND,
    NOT_RUNNING,
    ContainerTarget,
    DockerProcess,
)
from infrastructure.docker.tar_archive import archive_of

__all__ = ["ContainerTarget", "DockerConnection", "DockerProcess"]

DIAL_TIMEOUT_S = 10.0


class DockerConnection:
    """Runs commands in a container by ``exec`` of the Docker API; implements ``Connection``."""

    host_clock = True

    def __init__(self, target: ContainerTarget) -> None:
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
        deadline = time.monotonic() + timeout
        process = self._start(argv, {}, Limits())
        feeding = threading.Thread(target=process.feed, args=(stdin or b"",), daemon=True)
        feeding.start()
        try:
            stdout, stderr = process.output(deadline)
            status = process.wait(max(END_TIMEOUT_S, deadline - time.monotonic()))
        except TimeoutError:
            process.kill()
            raise CommandTimeout(self.node, argv, timeout) from None
        finally:
            process.stream.close()
            feeding.join(END_TIMEOUT_S)
        if check and status:
            raise CommandFailed(self.node, argv, status, stderr)
        return Completed(tuple(argv), status, stdout, stderr)

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        limits: Limits | None = Limits(),  # noqa: B008 - frozen
    ) -> DockerProcess:
        """Start a command; its output is appended to ``log`` as it arrives."""
        log.touch()
        process = self._start(argv, env, limits)
        process.follow(log)
        return process

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command within the limits of the node, connected to the standard streams of this process."""
        from infrastructure.docker import terminal as docker_terminal

        terminal = docker_terminal.is_terminal()
        extra = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
        process = self._start(argv, extra, Limits(), terminal=terminal)
        try:
            docker_terminal.join(process.stream, process.resize)
            status = process.wait(END_TIMEOUT_S)
        finally:
            process.kill()
        return 128 - status if status < 0 else status

    def put(self, src: Path, dst: PurePosixPath) -> None:
        """Copy a file of this host to the node atomically, creating missing folders."""
        with self._node_errors(f"cannot copy to {dst}"):
            client(self._target.url).put_archive(self._target.container, "/", archive_of(src, dst))

    def get(self, src: PurePosixPath, dst: Path) -> None:
        """Copy a file or a folder of the node to this host; FileNotFoundError if it does not exist."""
        dst.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile() as archive:
            try:
                with self._node_errors(f"cannot copy {src}"):
                    pieces, _ = client(self._target.url).get_archive(self._target.container, str(src))
                    for piece in pieces:
                        archive.write(piece)
            except DaemonError as error:
                if error.status == NOT_FOUND and "No such container:" not in str(error):
                    raise FileNotFoundError(f"{self.node}: {src}") from error
                raise
            archive.seek(0)
            with tempfile.TemporaryDirectory(dir=dst.parent) as folder:
                unpack(archive, Path(folder))
                _settle(next(Path(folder).iterdir()), dst)

    def dial(self, port: int) -> socket.socket:
        """A TCP connection from within the container's network namespace; requires root."""
        with self._node_errors("cannot be reached"):
            state = client(self._target.url).inspect_container(self._target.container)["State"]

        def connect() -> socket.socket:
            netns.enter(int(state["Pid"]))
            return socket.create_connection(("127.0.0.1", port), DIAL_TIMEOUT_S)

        try:
            made = netns.visit(connect)
        except OSError as error:
            raise ConnectionFailure(f"{self.node}: port {port}: {error.strerror or error}") from error
        made.settimeout(None)
        return made

    @contextlib.contextmanager
    def clock(self) -> Iterator[Callable[[], int]]:
        """The host's clock, which containers share."""
        yield time.monotonic_ns

    def close(self) -> None:
        """Does nothing: there is no connection to close."""

    @contextlib.contextmanager
    def _node_errors(self, what: str) -> Iterator[None]:
        """Convert errors to DaemonError with the name of the node."""
        try:
            with daemon_errors(self._target.url, what):
                yield
        except DaemonError as error:
            if error.status == NOT_RUNNING:
                msg = f"{self.node}: its container has ended; see: docker logs, docker inspect"
                raise DaemonError(msg, error.status) from error
            raise DaemonError(f"{self.node}: {error}", error.status) from error

    def _start(
        self, argv: Sequence[str], env: Mapping[str, str], limits: Limits | None, *, terminal: bool = False
    ) -> DockerProcess:
        token = secrets.token_hex(8)
        own = {
            "LANG": "C.UTF-8",
            "HOME": "/root",
            protocol.ENV_RUN: self._target.run_id,
            protocol.ENV_NODE: self.node,
            **env,
            protocol.ENV_PROCESS: token,
        }
        with self._node_errors(f"cannot start {argv[0]}"):
            api = client(self._target.url)
            made = api.exec_create(
                self._target.container,
                ["/bin/sh", "-c", GATE, "sh", *argv],
                stdin=True,
                tty=terminal,
                environment=own,
            )["Id"]
            stream = Stream(api.exec_start(made, socket=True, tty=terminal), multiplexed=not terminal)
        process = DockerProcess(self._target, tuple(argv), made, stream, token)
        try:
            process.release(self._target.join(limits), terminal=terminal)
        except BaseException:
            stream.close()
            raise
        return process


def _settle(found: Path, dst: Path) -> None:
    """Move the unpacked file or folder to its destination."""
    if found.is_dir() and not found.is_symlink():
        shutil.copytree(found, dst, symlinks=True, dirs_exist_ok=True)
    else:
        found.replace(dst)
