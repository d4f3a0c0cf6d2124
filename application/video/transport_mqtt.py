"""MQTT over a Mosquitto broker that the worker starts on its node and stops at its end.

Messages have quality of service 0. ``send`` of an endpoint returns when the socket has accepted the message,
so that a slow link shows as uplink time and not as a hidden queue.
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

from application.video.transport import MessageHandler, Receive
from continuum.sdk import listening

_FRAMES = "video/frames"
_ANSWERS = "video/answers"
_CONNECT_S = 5.0
_BROKER_S = 15.0
_PLACES = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/sbin"))


@dataclass
class MqttUplink:
    """The connection of an endpoint to the broker of its worker."""

    client: Any
    endpoint: str

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Publish, and wait until the socket has accepted the message."""
        sent = self.client.publish(f"{_FRAMES}/{self.endpoint}", message)
        # While disconnected, the request becomes overdue.
        with suppress(RuntimeError, ValueError):
            sent.wait_for_publish(timeout_s)
        return False

    def close(self) -> None:
        """Disconnect."""
        _disconnect(self.client)


@dataclass
class MqttDownlink:
    """The broker of a worker, and the worker's connection to it."""

    broker: subprocess.Popen[bytes]
    client: Any = field(default=None)

    def answer(self, endpoint: str, message: bytes) -> None:
        """Publish; the broker drops messages that an endpoint does not receive."""
        self.client.publish(f"{_ANSWERS}/{endpoint}", message)

    def close(self) -> None:
        """Disconnect and stop the broker."""
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


def serve(bind: str, port: int, receive: MessageHandler) -> MqttDownlink:
    """Start a broker and subscribe to all frames."""
    link = MqttDownlink(_start_broker(bind, port))
    host = listening.LOOPBACK if bind == listening.EVERY else bind
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
    """Path of Mosquitto, also in administrators' folders that are not on the PATH; None if absent."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_PLACES)


def broker_config(bind: str, port: int) -> str:
    """Mosquitto's configuration: no persistence, no delay for full packets."""
    lines = [
        f"listener {port} {bind}",
        "allow_anonymous true",
        "persistence false",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
    ]
    if os.geteuid() == 0:
        # By default Mosquitto switches to a user that may not exist on the node.
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
        # Stop the broker even if the worker is killed.
        argv = ["setpriv", "--pdeathsig", "TERM", *argv]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _client(host: str, port: int, name: str, topic: str, receive: Receive | MessageHandler) -> Any:
    """A client that is connected and subscribed to a topic; OSError if the broker does not answer."""
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
