"""A command in a container, run by ``exec`` of the Docker API."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.errors import CommandTimeout, ConnectionFailure
from continuum.model.limits import Limits
from continuum.sdk import protocol
from infrastructure.docker.engine_api import DaemonError, Stream, client, daemon_errors

_START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0
_POLL_S = 0.01
_ASK_EVERY_S = 0.5
_KILLED = 137
NOT_FOUND, NOT_RUNNING = 404, 409
# Waits for a line before it becomes the command: until then it can be moved into a control group, and no
# output is missed. Then it prints its pid.
GATE = 'read -r _ || exit 126; echo $$; exec "$@"'
# Repeated until no process is found, since a killed one may just have started another.
_KILL = (
    "n=0; while [ $n -lt 100 ]; do"
    ' found=$(grep -lsF -- "$1" /proc/[0-9]*/environ) || exit 0;'
    ' for one in $found; do one=${one#/proc/}; kill -9 "${one%/environ}" 2>/dev/null; done;'
    " n=$((n+1)); sleep 0.05; done"
)


@dataclass(frozen=True)
class ContainerTarget:
    """The container of one node.

    Attributes:
        node: the node's name.
        run_id: the run it belongs to.
        container: the container's id.
        url: socket of the daemon.
        join: creates the control groups for the limits of a process (None: outside the limits of the node);
            returns the files to write its host pid to, none if the limits of the container suffice.
    """

    node: str
    run_id: str
    container: str
    url: str
    join: Callable[[Limits | None], Sequence[Path]] = lambda _limits: ()


class DockerProcess:
    """A command in a container; implements ``Process``.

    Attributes:
        stream: its standard streams.
    """

    def __init__(
        self, target: ContainerTarget, argv: tuple[str, ...], made: str, stream: Stream, token: str
    ) -> None:
        self.stream = stream
        self._target, self._argv, self._exec, self._token = target, argv, made, token
        self._pid = ""
        self._status: int | None = None
        self._ended = threading.Event()
        self._asked_at = 0.0

    def release(self, groups: Sequence[Path], *, terminal: bool) -> None:
        """Move the waiting shell into control groups, then let it become the command."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        if groups:
            pid = self._host_pid(deadline)
            for group in groups:
                group.write_text(pid, encoding="ascii")
        try:
            self.stream.send(b"\n")
            if terminal:
                self.stream.line(deadline)  # echo of the terminal
            self._pid = self.stream.line(deadline)
        except (OSError, TimeoutError) as error:
            raise ConnectionFailure(
                f"{self._target.node}: {self._argv[0]} does not start: {error}"
            ) from error
        if not self._pid.isdigit():
            # The daemon could not start it and sends the reason in place of output.
            status = self._inspect()
            reason = self._pid or f"status {status}, its container may be gone"
            raise ConnectionFailure(f"{self._target.node}: {self._argv[0]} does not start: {reason}")

    def _host_pid(self, deadline: float) -> str:
        while time.monotonic() < deadline:
            with daemon_errors(self._target.url):
                state = client(self._target.url).exec_inspect(self._exec)
            if state.get("Pid"):
                return str(state["Pid"])
            time.sleep(_POLL_S)
        raise ConnectionFailure(f"{self._target.node}: {self._argv[0]} does not start")

    def output(self, deadline: float) -> tuple[str, str]:
        """All standard output and standard error of the command; TimeoutError at the deadline."""
        pieces: dict[int, list[bytes]] = {1: [], 2: []}
        for kind, piece in self.stream.frames(deadline):
            pieces.setdefault(kind, []).append(piece)
        self._ended.set()
        stdout, stderr = (b"".join(pieces[kind]).decode("utf-8", "replace") for kind in (1, 2))
        return stdout, stderr

    def follow(self, log: Path) -> None:
        """Append the output of the command to a file until it ends."""

        def copy() -> None:
            try:
                with log.open("ab", buffering=0) as file:
                    for _, piece in self.stream.frames():
                        file.write(piece)
            finally:
                self._ended.set()

        threading.Thread(target=copy, name=f"log of {self._target.node}", daemon=True).start()

    def feed(self, data: bytes) -> None:
        """Send the command all of its standard input, then close it."""
        with contextlib.suppress(OSError):
            self.stream.send(data)
        self.stream.end_input()

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the command's terminal."""
        with contextlib.suppress(ConnectionFailure), daemon_errors(self._target.url):
            client(self._target.url).exec_resize(self._exec, height=rows, width=columns)

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        now = time.monotonic()
        if self._status is None and (self._ended.is_set() or now - self._asked_at >= _ASK_EVERY_S):
            self._asked_at = now
            self._status = self._inspect()
        return self._status

    def _inspect(self) -> int | None:
        try:
            with daemon_errors(self._target.url):
                state: Mapping[str, Any] = client(self._target.url).exec_inspect(self._exec)
        except DaemonError as error:
            if error.status in {NOT_FOUND, NOT_RUNNING}:
                return -9  # its container is gone, or the daemon was restarted
            raise ConnectionFailure(f"{self._target.node}: {error}") from error
        if state["Running"]:
            return None
        status = state["ExitCode"]
        status = _KILLED if status is None else int(status)
        return 128 - status if status > 128 else status

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self._asked_at = 0.0
            if (status := self.poll()) is not None:
                return status
            left = deadline - time.monotonic()
            if left <= 0:
                raise CommandTimeout(self._target.node, self._argv, timeout)
            if self._ended.is_set():
                time.sleep(_POLL_S)  # the daemon registers the end a little later
            else:
                self._ended.wait(min(left, _ASK_EVERY_S))

    def write(self, data: bytes) -> None:
        """Send ``data`` to its standard input at once."""
        try:
            self.stream.send(data)
        except OSError as error:
            raise ConnectionFailure(
                f"{self._target.node}: {self._argv[0]}: its standard input is closed: {error}"
            ) from error

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended."""
        if self.poll() is None:
            self._in_container('kill -TERM "$1"', self._pid)

    def kill(self) -> None:
        """Kill it and all its children on the node (SIGKILL); harmless if it has ended."""
        with contextlib.suppress(ConnectionFailure):
            self._in_container(_KILL, f"{protocol.ENV_PROCESS}={self._token}")
        with contextlib.suppress(ConnectionFailure):
            self.wait(END_TIMEOUT_S)
        self.stream.close()

    def _in_container(self, script: str, argument: str) -> None:
        """Run a shell script in the container, if it still runs."""
        try:
            with daemon_errors(self._target.url):
                api = client(self._target.url)
                command = ["/bin/sh", "-c", script, "sh", argument]
                made = api.exec_create(self._target.container, command, user="0")["Id"]
                api.exec_start(made)
        except DaemonError as error:
            if error.status not in {NOT_FOUND, NOT_RUNNING}:
                raise
