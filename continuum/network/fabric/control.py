"""The fabric's side of the control socket: handles requests without waiting for clients."""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from . import wire
from .state import Node
from .switch import Switch

MAX_PENDING_PIECES = 64
"""A client with more unread reply packets than this is disconnected."""


class Peer:
    """One client: its socket and the replies that are not sent yet."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.pending: deque[bytes] = deque()

    def flush(self) -> bool:
        """Send what the socket accepts; returns True if nothing is left. OSError if the client is gone."""
        while self.pending:
            try:
                self.socket.send(self.pending[0], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return False
            self.pending.popleft()
        return True

    def receive(self) -> tuple[bytes, list[int]]:
        """One request and its descriptors; empty if the client is gone."""
        data, fds, flags, _ = socket.recv_fds(
            self.socket, wire.MAX_REQUEST_BYTES + 1, wire.MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
            close_all(fds)
            raise ValueError("the request is too long or carries too many descriptors")
        return data, fds


class Control:
    """Handles requests.

    Args:
        switch: the switch that they change.
        on_attach: called with each new node.
        on_detach: called with the descriptors to close.
    """

    def __init__(
        self,
        switch: Switch,
        on_attach: Callable[[Node], None],
        on_detach: Callable[[Sequence[int]], None],
    ) -> None:
        self._switch, self._on_attach, self._on_detach = switch, on_attach, on_detach
        self.closing: Peer | None = None

    def serve(self, peer: Peer) -> bool:
        """Handle one request of a client; returns False if it is gone or must be disconnected."""
        try:
            data, fds = peer.receive()
        except BlockingIOError:
            return True
        except ValueError as error:
            return self._answer(peer, {"error": str(error)})
        except OSError:
            return False
        if not data:
            close_all(fds)
            return False
        reply = self._handle(peer, data, fds)
        return reply is None or self._answer(peer, reply)

    def _answer(self, peer: Peer, reply: dict[str, Any]) -> bool:
        peer.pending.extend(wire.pieces(reply))
        with suppress(OSError):
            peer.flush()
            return len(peer.pending) <= MAX_PENDING_PIECES
        return False

    def _handle(self, peer: Peer, data: bytes, fds: list[int]) -> dict[str, Any] | None:
        """The reply to one request; None for ``close``, which is answered after all devices are closed."""
        spare = list(fds)
        try:
            request = json.loads(data)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            if request.get("op") == "close":
                self.closing = peer
                return None
            return self._act(request, spare)
        except KeyError as error:
            return {"error": f"no {error}"}
        except (ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
            return {"error": str(error)}
        finally:
            close_all(spare)

    def _act(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        """Do what a request asks for; ValueError and the like if that is impossible."""
        operation = request.get("op")
        if operation == "stats":
            return self._switch.stats()
        if operation == "intended":
            return {"probes": self._switch.intended()}
        if operation == "applied":
            return {"links": self._switch.applied()}
        if operation == "attach":
            self._attach(request["nodes"], fds)
        elif operation == "shape":
            self._switch.shape(request["links"])
        elif operation == "expect_probes":
            for src, dst, port in request["pairs"]:
                self._switch.expect_probes(src, dst, port)
        elif operation == "detach":
            self._detach(request["nodes"])
        else:
            raise ValueError(f"unknown operation {operation!r}")
        return {"ok": True}

    def _attach(self, nodes: Sequence[Sequence[str]], fds: list[int]) -> None:
        """Attach nodes in order; removes the descriptors that it keeps from ``fds``."""
        if len(nodes) != len(fds):
            raise ValueError(f"{len(nodes)} nodes but {len(fds)} descriptors")
        for name, tier, address in nodes:
            node = Node(str(name), str(tier), socket.inet_aton(address), fds[0])
            os.set_blocking(node.fd, False)
            self._switch.attach(node)
            fds.pop(0)
            self._on_attach(node)

    def _detach(self, names: Sequence[str]) -> None:
        missing = [name for name in names if name not in self._switch.nodes]
        if missing:
            raise ValueError(f"no node {missing[0]} is attached")
        self._on_detach([self._switch.detach(name) for name in dict.fromkeys(names)])


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
