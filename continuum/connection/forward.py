"""Port forwarding from this host to a node, over a path without emulation."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from continuum.connection.base import Connection
from continuum.errors import ConnectionFailure

HOST = "127.0.0.1"
_PIECE_BYTES = 1 << 16


@contextmanager
def forward(connection: Connection, port: int, *, local_port: int = 0) -> Iterator[int]:
    """Forward a port of this host's loopback interface to one of a node's; yields the local port.

    All connections are closed at the end of the context, so that no client waits for an answer forever.

    Args:
        connection: the connection to the node.
        port: TCP port on the node's loopback interface.
        local_port: TCP port on this host; 0 for a free one.

    Raises:
        OSError: the local port is in use.
    """
    sockets = _OpenSockets()
    with socket.create_server((HOST, local_port)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, connection, port, sockets), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
            sockets.end()


class _OpenSockets:
    """The open connections, to close all of them at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_over = False

    @contextmanager
    def holding(self, way: socket.socket) -> Iterator[None]:
        """Register one during the context; the caller closes it."""
        with self._lock:
            self._open.add(way)
            if self._is_over:
                _end(way)
        try:
            yield
        finally:
            with self._lock:
                self._open.remove(way)

    def end(self) -> None:
        """Shut down all of them, and those that are registered later."""
        with self._lock:
            self._is_over = True
            for way in self._open:
                _end(way)


def _end(way: socket.socket) -> None:
    with contextlib.suppress(OSError):
        way.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, connection: Connection, port: int, sockets: _OpenSockets) -> None:
    while True:
        try:
            here, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pass_on, args=(here, connection, port, sockets), daemon=True).start()


def _pass_on(here: socket.socket, connection: Connection, port: int, sockets: _OpenSockets) -> None:
    """Connect a client with the node, until both sides have closed their output."""
    with here:
        try:
            there = connection.dial(port)
        except (ConnectionFailure, OSError):
            return  # the client's connection is closed, as if no program listened
        with there, sockets.holding(here), sockets.holding(there):
            disable_nagle(here)
            disable_nagle(there)
            back = threading.Thread(target=_pump, args=(there, here), daemon=True)
            back.start()
            _pump(here, there)
            back.join()


def disable_nagle(way: socket.socket) -> None:
    """Send small pieces at once (TCP_NODELAY).

    Otherwise a request whose header and body are written separately takes 40 ms: the body waits for the
    acknowledgement of the header (Nagle's algorithm), which the other side delays.
    """
    with contextlib.suppress(OSError):  # not a TCP socket
        way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
