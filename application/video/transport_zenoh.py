"""Zenoh over TCP: the worker listens, each endpoint connects to it; no router, no discovery.

Messages go out at once (express, no batching). An endpoint's send blocks while its link takes no
more, so that a slow link shows as uplink time and not as lost frames; an answer is dropped instead, so
that one dead endpoint cannot hold up the answers to the others.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import zenoh

from application.video.transport import Receive, Take

_FRAMES = "video/frames"
_ANSWERS = "video/answers"
_CONNECT_MS = 1000
# Zenoh would drop an answer that waits for 1 ms behind two others: too little for a node that has its
# CPU quota used up. An endpoint that is gone costs nothing, as answers are small beside a socket's buffer.
_QUEUED = 16
_PATIENCE_US = 1_000_000
# It would also end the session when a frame has waited for 5 s to be sent, which a slow link can take.
_FOREVER_US = 3_600_000_000
# And when nothing has come from the other side for 10 s, which an interrupted link can outlast.
_LEASE_MS = 60_000


@dataclass
class ZenohUplink:
    """An endpoint's session with its worker."""

    session: Any
    frames: Any
    subscriber: Any

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Put the message on the wire."""
        # Without a session there is nobody to tell: the request will be overdue.
        with suppress(zenoh.ZError):
            self.frames.put(message)
        return False

    def close(self) -> None:
        """End the session."""
        self.session.close()


@dataclass
class ZenohDownlink:
    """A worker's session with all its endpoints."""

    session: Any
    publishers: dict[str, Any]
    subscriber: Any = None

    def answer(self, endpoint: str, message: bytes) -> None:
        """Put the message on that endpoint's wire."""
        publisher = self.publishers.get(endpoint)
        if publisher is None:
            publisher = _publisher(self.session, f"{_ANSWERS}/{endpoint}", zenoh.CongestionControl.DROP)
            self.publishers[endpoint] = publisher
        with suppress(zenoh.ZError):
            publisher.put(message)

    def close(self) -> None:
        """End the session."""
        self.session.close()


def connect(host: str, port: int, endpoint: str, receive: Receive, _in_flight: int) -> ZenohUplink:
    """Connect an endpoint to the worker that listens there."""
    session = _open(connect=[f"tcp/{host}:{port}"])
    subscriber = session.declare_subscriber(
        f"{_ANSWERS}/{endpoint}", lambda sample: receive(sample.payload.to_bytes())
    )
    frames = _publisher(session, f"{_FRAMES}/{endpoint}", zenoh.CongestionControl.BLOCK)
    return ZenohUplink(session, frames, subscriber)


def serve(bind: str, port: int, receive: Take) -> ZenohDownlink:
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
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": _PATIENCE_US,
        "transport/link/tx/queue/congestion_control/block/wait_before_close": _FOREVER_US,
    }
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    try:
        return zenoh.open(config)
    except zenoh.ZError as error:
        raise OSError(f"zenoh: {error}") from error
