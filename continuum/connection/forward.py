"""A port of this host that leads to a port of a node, over a path without emulation."""

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
    """Listen on this host's loopback and pass every connection on to a node's; gives the local port.

    With the context all connections end, so that nobody waits for an answer that does not come any more.

    Args:
        connection: the way to the node.
        port: TCP port on the node's loopback.
        local_port: TCP port here; 0 for any that is free.

    Raises:
        OSError: the local port is taken.
    """
    kept = _Kept()
    with socket.create_server((HOST, local_port)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, connection, port, kept), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread
            kept.end()


class _Kept:
    """The connections that are open, until all of them are to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_over = False

    @contextmanager
    def holding(self, way: socket.socket) -> Iterator[None]:
        """Keep one while the context lasts; its own end is the owner's business."""
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
        """End all of them, and those that come later."""
        with self._lock:
            self._is_over = True
            for way in self._open:
                _end(way)


def _end(way: socket.socket) -> None:
    with contextlib.suppress(OSError):
        way.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, connection: Connection, port: int, kept: _Kept) -> None:
    while True:
        try:
            here, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pass_on, args=(here, connection, port, kept), daemon=True).start()


def _pass_on(here: socket.socket, connection: Connection, port: int, kept: _Kept) -> None:
    """Join a connection with one on the node, until both sides have said all."""
    with here:
        try:
            there = connection.dial(port)
        except (ConnectionFailure, OSError):
            return  # whoever connected sees the connection end, as where nobody listens
        with there, kept.holding(here), kept.holding(there):
            prompt(here)
            prompt(there)
            back = threading.Thread(target=_pump, args=(there, here), daemon=True)
            back.start()
            _pump(here, there)
            back.join()


def prompt(way: socket.socket) -> None:
    """Have what is written sent at once, even in small pieces.

    Otherwise a request whose head and body are written one after the other takes 40 ms: the body waits until
    the head is acknowledged (Nagle), which the other side puts off.
    """
    with contextlib.suppress(OSError):  # no TCP at all
        way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
