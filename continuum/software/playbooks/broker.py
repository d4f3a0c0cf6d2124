"""Shares a deployment's connections with Ansible's processes, over a Unix socket in the run's folder.

Ansible runs every task in a separate process. These processes send their commands and files here instead of
opening a connection each, so playbooks work with any kind of Connection and each is opened once. The client
is ``ansible/connection/continuum_node.py``.

A request is two frames: a JSON object and the standard input. A response is three: a JSON object, standard
output and standard error. A frame is its length in eight bytes (big-endian) followed by that many bytes.
"""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection import Connection
from continuum.errors import ContinuumError
from continuum.network.fabric.wire import short_path

SOCKET_NAME = "broker.sock"
_LENGTH = struct.Struct(">Q")
_NO_OUTPUT = (b"", b"")
_POLL_S = 0.05


@contextmanager
def share(connections: Mapping[str, Connection], folder: Path, timeout_s: float) -> Iterator[None]:
    """Serve requests while the context is open.

    Args:
        connections: the connection to each node, by its name.
        folder: an existing folder for the socket, accessible to its owner only.
        timeout_s: longest time that one command may take.
    """
    with short_path(folder, SOCKET_NAME) as address:
        server = _Server(address, Broker(connections, timeout_s))
    threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        (folder / SOCKET_NAME).unlink(missing_ok=True)


class Broker:
    """Executes requests on nodes; for the arguments see ``share``."""

    def __init__(self, connections: Mapping[str, Connection], timeout_s: float) -> None:
        self._connections, self._timeout_s = connections, timeout_s

    def answer(self, request: Mapping[str, Any], stdin: bytes) -> tuple[dict[str, Any], bytes, bytes]:
        """Execute a request; errors become part of the response."""
        try:
            connection = self._connections[request["node"]]
            if request["verb"] == "run":
                return self._run(connection, request, stdin)
            here, there = Path(request["here"]), PurePosixPath(request["there"])
            if request["verb"] == "put":
                connection.put(here, there)
            else:
                connection.get(there, here)
        except (ContinuumError, OSError, KeyError) as error:
            return {"error": f"{type(error).__name__}: {error}"}, *_NO_OUTPUT
        return {"status": 0}, *_NO_OUTPUT

    def _run(
        self, connection: Connection, request: Mapping[str, Any], stdin: bytes
    ) -> tuple[dict[str, Any], bytes, bytes]:
        done = connection.run(
            ["/bin/sh", "-c", request["command"]],
            timeout=self._timeout_s,
            check=False,
            stdin=stdin if request["has_stdin"] else None,
        )
        return {"status": done.status}, done.stdout.encode(), done.stderr.encode()


class _Handler(socketserver.StreamRequestHandler):
    """The requests of one Ansible process, until it ends."""

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        while (header := _read_frame(self.rfile)) is not None:
            stdin = _read_frame(self.rfile)
            if stdin is None:
                return
            answer, stdout, stderr = self.server.broker.answer(json.loads(header), stdin)
            try:
                for part in (json.dumps(answer).encode(), stdout, stderr):
                    self.wfile.write(_LENGTH.pack(len(part)) + part)
            except OSError:
                return  # the client has ended


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, broker: Broker) -> None:
        self.broker = broker
        super().__init__(address, _Handler)


def _read_frame(stream: BufferedIOBase) -> bytes | None:
    """The next frame; None if the other end has closed the socket."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    (count,) = _LENGTH.unpack(length)
    data = stream.read(count)
    return data if len(data) == count else None
