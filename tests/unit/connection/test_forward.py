"""Connections to ports of nodes, without any node."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import continuum.connection
from continuum.connection.forward import forward
from continuum.errors import ConnectionFailure
from continuum.testing.fake_connection import FakeConnection

LARGE = b"x" * 3_000_000


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back when it has heard all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"".join(iter(lambda: peer.recv(1 << 16), b"")))  # noqa: B023


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as made:
        sending = threading.Thread(target=lambda: (made.sendall(data), made.shutdown(socket.SHUT_WR)))
        sending.start()
        answer = b"".join(iter(lambda: made.recv(1 << 16), b""))
        sending.join()
        return answer


def test_everything_goes_there_and_comes_back(echo: int, tmp_path: Path) -> None:
    with forward(FakeConnection("edge0", tmp_path), echo) as port:
        assert port != echo
        assert ask(port, b"word") == b"word"
        assert ask(port, LARGE) == LARGE


def test_a_port_that_nobody_listens_at_ends_the_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    node = FakeConnection("edge0", tmp_path)
    with pytest.raises(ConnectionFailure, match=f"edge0: port {free}: Connection refused"):
        node.dial(free)
    with forward(node, free) as port, socket.create_connection(("127.0.0.1", port), 20) as made:
        assert made.recv(1) == b""


def test_nobody_listens_afterwards(echo: int, tmp_path: Path) -> None:
    with forward(FakeConnection("edge0", tmp_path), echo) as port:
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 5)


def test_connections_end_with_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as made:
        with forward(FakeConnection("edge0", tmp_path), silent.getsockname()[1]) as port:
            made.settimeout(20)
            made.connect(("127.0.0.1", port))
            made.sendall(b"x")
            peer, _ = silent.accept()
            assert peer.recv(1) == b"x"
        with peer:
            assert made.recv(1) == b"", "whoever waits for an answer waits for ever"


def test_a_relay_joins_its_streams_with_a_port(echo: int) -> None:
    source = Path(continuum.connection.__file__).with_name("relay.py").read_text()
    command = [sys.executable, "-I", "-c", source, str(echo)]
    done = subprocess.run(command, input=LARGE, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, LARGE, b"")
