"""MQTT over a Mosquitto broker that the worker starts on its node; it ends with the worker.

Messages have quality of service 0. An endpoint's send returns when the message has left for the
socket, so that a slow link shows as uplink time and not as a queue nobody sees.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from application.video.transport import Receive, Take

_FRAMES = "video/frames"
_ANSWERS = "video/answers"
_CONNECT_S = 5.0
_BROKER_S = 15.0
_PLACES = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/sbin"))


@dataclass
class MqttUplink:
    """An endpoint's connection to the broker of its worker."""

    client: Any
    endpoint: str

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Publish, and wait until the socket has taken it."""
        sent = self.client.publish(f"{_FRAMES}/{self.endpoint}", message)
        # Without a connection at the moment, the request will be overdue.
        with suppress(RuntimeError, ValueError):
            sent.wait_for_publish(timeout_s)
        return False

    def close(self) -> None:
        """Disconnect."""
        _disconnect(self.client)


@dataclass
class MqttDownlink:
    """A worker's broker, and its own connection to it."""

    broker: subprocess.Popen[bytes]
    client: Any = field(default=None)

    def answer(self, endpoint: str, message: bytes) -> None:
        """Publish; the broker drops what an endpoint does not take."""
        self.client.publish(f"{_ANSWERS}/{endpoint}", message)

    def close(self) -> None:
        """Disconnect and end the broker."""
        if self.client is not None:
            _disconnect(self.client)
        self.broker.terminate()
        try:
            self.broker.wait(_CONNECT_S)
        except subprocess.TimeoutExpired:
            self.broker.kill()
            self.broker.wait()


def connect(host: str, port: int, endpoint: str, receive: Receive, _in_flight: int) -> MqttUplink:
    """Connect an endpoint to the broker on its worker's node."""
    return MqttUplink(_client(host, port, endpoint, f"{_ANSWERS}/{endpoint}", receive), endpoint)


def serve(bind: str, port: int, receive: Take) -> MqttDownlink:
    """Start a broker and take every frame published there."""
    link = MqttDownlink(_start_broker(bind, port))
    host = "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104 - compared, not bound
    deadline = time.monotonic() + _BROKER_S
    while True:
        try:
            link.client = _client(host, port, "worker", f"{_FRAMES}/+", receive)
        except OSError:
            status = link.broker.poll()
            if status is not None or time.monotonic() > deadline:
                link.close()
                raise OSError(f"mosquitto does not listen on port {port} (exit status {status})") from None
            time.sleep(0.02)
        else:
            return link


def find_broker() -> str | None:
    """Where Mosquitto is; administrators' folders are often not on the PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_PLACES)


def broker_config(bind: str, port: int) -> str:
    """Mosquitto's configuration for one run: no memory of earlier ones, no waiting for full packets."""
    lines = [
        f"listener {port} {bind}",
        "allow_anonymous true",
        "persistence false",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
    ]
    if os.geteuid() == 0:
        # Otherwise it would want to become a user that need not exist on the node.
        lines.append("user root")
    return "\n".join(lines) + "\n"


def _start_broker(bind: str, port: int) -> subprocess.Popen[bytes]:
    program = find_broker()
    if program is None:
        raise OSError("no mosquitto on this node; install the package mosquitto, or use transport = zenoh")
    config = Path(f"mosquitto-{port}.conf").absolute()
    config.write_text(broker_config(bind, port), encoding="utf-8")
    argv = [program, "-c", str(config)]
    if shutil.which("setpriv"):
        # The broker must not outlive a worker that is killed.
        argv = ["setpriv", "--pdeathsig", "TERM", *argv]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _client(host: str, port: int, name: str, topic: str, receive: Receive | Take) -> Any:
    """A connected client that is subscribed to a topic; OSError when there is no broker."""
    client: Any = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    subscribed = threading.Event()
    client.on_socket_open = _send_at_once
    client.on_connect = lambda *_: client.subscribe(topic)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, message: receive(bytes(message.payload))
    client.connect_timeout = _CONNECT_S
    client.connect(host, port)
    client.loop_start()
    if not subscribed.wait(_CONNECT_S):
        _disconnect(client)
        raise OSError(f"the broker at {host}:{port} does not answer")
    return client


def _send_at_once(_client: Any, _data: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _disconnect(client: Any) -> None:
    client.disconnect()
    client.loop_stop()
