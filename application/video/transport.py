"""How frames reach a worker and answers come back: one small interface, one file per transport.

Messages are bytes. A transport only carries them; what they say is in ``message.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from continuum.sdk.http_front import Passed

Receive = Callable[[bytes], None]


@dataclass(frozen=True)
class Way:
    """How one message came, where a transport tells messages apart.

    Attributes:
        answer: sends the answer to it, and to no other.
        passed: what it went through on the way, as far as known.
    """

    answer: Receive
    passed: Passed | None = None


class Take(Protocol):
    """What a worker does with a message that has just arrived, in a thread of the transport."""

    def __call__(self, message: bytes, way: Way | None = None) -> bool:
        """Returns whether there will be an answer; without a ``way`` it goes out by the endpoint's name."""


class Uplink(Protocol):
    """An endpoint's connection to its worker."""

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Hand a message to the network; may block while the network takes no more.

        Returns whether it was held back because as many as may be are unanswered.
        """

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

    def connect(self, host: str, port: int, endpoint: str, receive: Receive, in_flight: int) -> Uplink:
        """Connect an endpoint; ``receive`` gets its answers in a thread of the transport.

        With at most ``in_flight`` messages unanswered, where the transport knows which ones are.

        Raises OSError while there is nobody to connect to.
        """

    def serve(self, bind: str, port: int, receive: Take) -> Downlink:
        """Serve endpoints; ``receive`` gets their messages in a thread of the transport.

        Raises OSError where it cannot listen.
        """


def load(name: str) -> Transport:
    """The transport of that name; only its own libraries are imported."""
    return cast("Transport", importlib.import_module(f"application.video.transport_{name}"))
