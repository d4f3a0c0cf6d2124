"""Lends a deployment's connections to Ansible's processes, over a Unix socket in the run's folder.

Ansible runs every task in a process of its own. Instead of opening each node's connection in each of them
again, they send what is to be done here; so any kind of Connection serves playbooks, and none is opened
twice. The other end is ``ansible/connection/continuum_node.py``.

A request is two frames: a JSON object, then what goes to standard input. An answer is three: a JSON object,
standard output, standard error. A frame is eight bytes of length (big end first) and that many bytes.
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
def lend(connections: Mapping[str, Connection], folder: Path, timeout_s: float) -> Iterator[None]:
    """Answer requests meanwhile.

    Args:
        connections: by node.
        folder: an existing folder, only its owner's, in which the socket is made.
        timeout_s: longest time one command may take.
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
    """Does on nodes what is asked; as the arguments of ``lend``."""

    def __init__(self, connections: Mapping[str, Connection], timeout_s: float) -> None:
        self._connections, self._timeout_s = connections, timeout_s

    def answer(self, request: Mapping[str, Any], stdin: bytes) -> tuple[dict[str, Any], bytes, bytes]:
        """Do what is asked; what goes wrong is part of the answer."""
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
    """One process of Ansible: request after request until it ends."""

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
                return  # whoever asked has ended


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, broker: Broker) -> None:
        self.broker = broker
        super().__init__(address, _Handler)


def _read_frame(stream: BufferedIOBase) -> bytes | None:
    """The next frame; None when the other end is gone."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    (count,) = _LENGTH.unpack(length)
    data = stream.read(count)
    return data if len(data) == count else None
