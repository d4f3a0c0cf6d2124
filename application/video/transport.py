"""How frames reach a worker and answers come back: one small interface, one file per transport.

Messages are bytes. A transport only carries them; what they say is in ``message.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol, cast

Receive = Callable[[bytes], None]


class Uplink(Protocol):
    """An endpoint's connection to its worker."""

    def send(self, message: bytes, timeout_s: float) -> None:
        """Hand a message to the network; may block while the network takes no more."""

    def close(self) -> None:
        """Give the connection up."""


class Downlink(Protocol):
    """A worker's connections to all its endpoints."""

    def answer(self, endpoint: str, message: bytes) -> None:
        """Send a message to one endpoint; never waits for one that does not take it."""

    def close(self) -> None:
        """Give the connections up."""


class Transport(Protocol):
    """What a module ``transport_<name>`` offers."""

    def connect(self, host: str, port: int, endpoint: str, receive: Receive) -> Uplink:
        """Connect an endpoint; ``receive`` gets its answers in a thread of the transport.

        Raises OSError while there is nobody to connect to.
        """

    def serve(self, bind: str, port: int, receive: Receive) -> Downlink:
        """Serve endpoints; ``receive`` gets their messages in a thread of the transport.

        Raises OSError where it cannot listen.
        """


def load(name: str) -> Transport:
    """The transport of that name; only its own libraries are imported."""
    return cast("Transport", importlib.import_module(f"application.video.transport_{name}"))
