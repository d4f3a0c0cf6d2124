"""Client of the Docker Engine API, usable from any thread; converts the library's errors to DaemonError."""

from __future__ import annotations

import importlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from continuum.errors import ConnectionFailure, HostError

DEFAULT_URL = "unix:///var/run/docker.sock"
REQUEST_TIMEOUT_S = 120
_POOL = 64
_HEADER = struct.Struct(">BxxxL")
_CHUNK_BYTES = 1 << 16
_OUTPUT = 1

NO_LIBRARY = (
    "the Python package docker is not installed; run: pip install docker"
    " (or install Continuum with the extra `docker`)"
)


class DaemonError(ConnectionFailure):
    """The daemon refused a request, or did not answer.

    Attributes:
        status: HTTP status of its answer; 0 without an answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@cache
def client(url: str) -> Any:
    """A ``docker.APIClient`` for the daemon at a URL, one for the whole process.

    Raises:
        HostError: the Python package is missing.
        DaemonError: no daemon answers, or this user has no access to it.
    """
    try:
        library = importlib.import_module("docker")
    except ImportError:
        raise HostError(NO_LIBRARY) from None
    with daemon_errors(url):
        return library.APIClient(
            base_url=url, version="auto", timeout=REQUEST_TIMEOUT_S, max_pool_size=_POOL, num_pools=_POOL
        )


@contextmanager
def daemon_errors(url: str, what: str = "") -> Iterator[None]:
    """Convert errors of the library to DaemonError, with a remedy.

    Args:
        url: the daemon.
        what: the request, for the message of a refusal.
    """
    errors = importlib.import_module("docker.errors")
    requests = importlib.import_module("requests.exceptions")
    try:
        yield
    except errors.APIError as error:
        text = str(error.explanation or error).strip()
        raise DaemonError(f"{what}: {text}" if what else text, int(error.status_code or 0)) from error
    except requests.Timeout as error:
        raise DaemonError(f"the Docker daemon at {url} did not answer in time") from error
    except (errors.DockerException, requests.RequestException, OSError, EOFError) as error:
        if "Read timed out" in str(error):  # in the middle of an answer
            raise DaemonError(f"the Docker daemon at {url} did not answer in time") from error
        raise DaemonError(explain_no_answer(url, error)) from error


def explain_no_answer(url: str, error: BaseException) -> str:
    """Message for a daemon that did not answer, with the remedy."""
    text = str(error)
    if "Permission denied" in text:
        return (
            f"this user has no access to the Docker daemon's socket {url};"
            " run: sudo usermod -aG docker $USER, and log in again"
        )
    return f"no Docker daemon answers at {url}; run: sudo systemctl start docker (or sudo dockerd)"


class Stream:
    """Standard streams of a command in a container, over one connection to the daemon.

    Args:
        connection: result of ``exec_start(socket=True)``.
        multiplexed: whether standard output and error are separate, as they are without a terminal.
    """

    def __init__(self, connection: Any, *, multiplexed: bool = True) -> None:
        self._keep = connection  # closes the socket when it is collected
        self.socket: socket.socket = getattr(connection, "_sock", connection)
        self.socket.settimeout(None)
        self._multiplexed = multiplexed
        self._pending = b""

    def frames(self, deadline: float | None = None) -> Iterator[tuple[int, bytes]]:
        """Output as it arrives: 1 for standard output or 2 for standard error, and the bytes.

        Raises TimeoutError at ``deadline`` (on ``time.monotonic``).
        """
        while True:
            while not self._multiplexed and self._pending:
                piece, self._pending = self._pending, b""
                yield _OUTPUT, piece
            while self._multiplexed and len(self._pending) >= _HEADER.size:
                kind, size = _HEADER.unpack_from(self._pending)
                if len(self._pending) < _HEADER.size + size:
                    break
                piece = self._pending[_HEADER.size : _HEADER.size + size]
                self._pending = self._pending[_HEADER.size + size :]
                yield kind, piece
            data = self._receive(deadline)
            if not data:
                return
            self._pending += data

    def _receive(self, deadline: float | None) -> bytes:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError
        try:
            return self.socket.recv(_CHUNK_BYTES)
        except OSError:
            return b""  # the daemon has closed the connection

    def line(self, deadline: float) -> str:
        """The first line of standard output; all other output stays in the stream.

        If the command ends without one, what it wrote instead.
        """
        head, others = b"", b""
        for kind, piece in self.frames(deadline):
            if kind != _OUTPUT:  # standard error may arrive first
                others += _HEADER.pack(kind, len(piece)) + piece
                continue
            head += piece
            if b"\n" in head:
                first, _, rest = head.partition(b"\n")
                if rest and self._multiplexed:
                    rest = _HEADER.pack(_OUTPUT, len(rest)) + rest
                self._pending = others + rest + self._pending
                return first.decode("utf-8", "replace").strip()
        return (head or others[_HEADER.size :]).decode("utf-8", "replace").strip()

    def send(self, data: bytes) -> None:
        """Write to standard input; OSError if it is closed."""
        self.socket.sendall(data)

    def end_input(self) -> None:
        """Close standard input."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        if hasattr(self._keep, "close"):
            self._keep.close()
