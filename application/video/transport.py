"""The interface of transports, which carry frames to workers and answers back; one module per transport.

Messages are bytes; ``message.py`` defines their content.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from continuum.sdk.http_front import Passed

Receive = Callable[[bytes], None]


@dataclass(frozen=True)
class Origin:
    """Where one message came from, for transports with one answer per message.

    Attributes:
        answer: sends the answer to this message.
        passed: the stage it went through before, if known.
    """

    answer: Receive
    passed: Passed | None = None


class MessageHandler(Protocol):
    """Handles a message on its arrival at a worker, in a thread of the transport."""

    def __call__(self, message: bytes, origin: Origin | None = None) -> bool:
        """Returns whether there will be an answer, to ``origin`` or by the endpoint's name."""


class Uplink(Protocol):
    """An endpoint's connection to its worker."""

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Send a message; may block while the network accepts no more data.

        Returns whether it was held back because too many messages were unanswered.
        """

    def close(self) -> None:
        """Close the connection."""


class Downlink(Protocol):
    """A worker's connections to all its endpoints."""

    def answer(self, endpoint: str, message: bytes) -> None:
        """Send a message to one endpoint; never blocks."""

    def close(self) -> None:
        """Close the connections."""


class Transport(Protocol):
    """The functions of a module ``transport_<name>``."""

    def connect(self, host: str, port: int, endpoint: str, receive: Receive, in_flight: int) -> Uplink:
        """Connect an endpoint to its worker.

        Args:
            host: node of the worker.
            port: its TCP port.
            endpoint: name of the endpoint.
            receive: called with each answer, in a thread of the transport.
            in_flight: most unanswered messages, for transports that know them.

        Raises:
            OSError: the worker does not accept connections (yet).
        """

    def serve(self, bind: str, port: int, receive: MessageHandler) -> Downlink:
        """Serve endpoints; ``receive`` is called with their messages in a thread of the transport.

        Raises:
            OSError: the port cannot be used.
        """


def load(name: str) -> Transport:
    """The transport of that name; imports only the libraries that it uses."""
    return cast("Transport", importlib.import_module(f"application.video.transport_{name}"))
