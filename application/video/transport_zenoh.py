"""Zenoh over TCP: the worker listens and each endpoint connects to it; no router, no discovery.

Messages are sent immediately (express, no batching). ``send`` of an endpoint blocks while its link accepts no
more data, so that a slow link shows as uplink time and not as lost frames. Answers are dropped instead, so
that one dead endpoint cannot delay the answers to others.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import zenoh

from application.video.transport import MessageHandler, Receive

_FRAMES = "video/frames"
_ANSWERS = "video/answers"
_CONNECT_MS = 1000
# By default Zenoh drops an answer that waits 1 ms behind two others, which a node at its CPU quota exceeds.
# A dead endpoint costs little, since answers are small compared to a socket's buffer.
_QUEUED = 16
_DROP_AFTER_US = 1_000_000
# By default it closes the session when a frame has waited 5 s to be sent, which happens on slow links.
_CLOSE_AFTER_US = 3_600_000_000
# By default it closes the session after 10 s without data, which an interrupted link can exceed.
_LEASE_MS = 60_000


@dataclass
class ZenohUplink:
    """The session of an endpoint with its worker."""

    session: Any
    frames: Any
    subscriber: Any

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Send the message; blocks while the link accepts no more data."""
        # While disconnected, the request becomes overdue.
        with suppress(zenoh.ZError):
            self.frames.put(message)
        return False

    def close(self) -> None:
        """Close the session."""
        self.session.close()


@dataclass
class ZenohDownlink:
    """The session of a worker with all its endpoints."""

    session: Any
    publishers: dict[str, Any]
    subscriber: Any = None

    def answer(self, endpoint: str, message: bytes) -> None:
        """Send the message to one endpoint; drops it if that would block."""
        publisher = self.publishers.get(endpoint)
        if publisher is None:
            publisher = _publisher(self.session, f"{_ANSWERS}/{endpoint}", zenoh.CongestionControl.DROP)
            self.publishers[endpoint] = publisher
        with suppress(zenoh.ZError):
            publisher.put(message)

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def connect(host: str, port: int, endpoint: str, receive: Receive, _in_flight: int) -> ZenohUplink:
    """Connect an endpoint to its worker."""
    session = _open(connect=[f"tcp/{host}:{port}"])
    subscriber = session.declare_subscriber(
        f"{_ANSWERS}/{endpoint}", lambda sample: receive(sample.payload.to_bytes())
    )
    frames = _publisher(session, f"{_FRAMES}/{endpoint}", zenoh.CongestionControl.BLOCK)
    return ZenohUplink(session, frames, subscriber)


def serve(bind: str, port: int, receive: MessageHandler) -> ZenohDownlink:
    """Listen for endpoints."""
    link = ZenohDownlink(_open(listen=[f"tcp/{bind}:{port}"]), {})
    link.subscriber = link.session.declare_subscriber(
        f"{_FRAMES}/*", lambda sample: receive(sample.payload.to_bytes())
    )
    return link


def _publisher(session: Any, key: str, congestion: Any) -> Any:
    return session.declare_publisher(key, express=True, congestion_control=congestion)


def _open(listen: list[str] | None = None, connect: list[str] | None = None) -> Any:
    config = zenoh.Config()
    settings = {
        "mode": "peer",
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "listen/endpoints": listen or [],
        "connect/endpoints": connect or [],
        "connect/timeout_ms": _CONNECT_MS,
        "connect/exit_on_failure": True,
        "transport/link/tx/lease": _LEASE_MS,
        "transport/link/tx/queue/batching/enabled": False,
        "transport/link/tx/queue/size/data": _QUEUED,
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": _DROP_AFTER_US,
        "transport/link/tx/queue/congestion_control/block/wait_before_close": _CLOSE_AFTER_US,
    }
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    try:
        return zenoh.open(config)
    except zenoh.ZError as error:
        raise OSError(f"zenoh: {error}") from error
