"""HTTP: each frame is a POST to the worker or the proxy in front of it, and the response is its answer.

An endpoint has a bounded number of requests in flight, each on its own persistent connection.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, cast
from urllib.parse import urlsplit

from application.video.message import Answer, Frame
from application.video.transport import MessageHandler, Origin, Receive
from continuum.sdk.http_front import Front, url

_Inbox = queue.SimpleQueue[tuple[bytes, float] | None]

_TYPE = "application/octet-stream"
_MOST_BYTES = 64 << 20
_ANSWER_S = 600.0
_BACKLOG = 256
_DROPPED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


@dataclass
class HttpUplink:
    """The connections of an endpoint, one for each request in flight.

    The most recently used connection is used next, because TCP starts slowly again on idle ones.

    Attributes:
        url: URL for requests.
        receive: called with each answer.
        in_flight: most unanswered requests.
    """

    url: str
    receive: Receive
    in_flight: int
    _free: threading.Semaphore = field(init=False)
    _idle: list[_Inbox] = field(default_factory=list)
    _all: list[_Inbox] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.in_flight)

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Send once fewer than ``in_flight`` requests are unanswered; returns whether it had to wait."""
        held = not self._free.acquire(blocking=False)
        if held and not self._free.acquire(timeout=timeout_s):
            return True  # overdue
        inbox = self._idle.pop() if self._idle else self._start()
        inbox.put((message, timeout_s))
        return held

    def close(self) -> None:
        """Let each thread end after its request."""
        for inbox in self._all:
            inbox.put(None)

    def _start(self) -> _Inbox:
        inbox: _Inbox = queue.SimpleQueue()
        self._all.append(inbox)
        threading.Thread(
            target=self._ask, args=(inbox,), name=f"connection{len(self._all)}", daemon=True
        ).start()
        return inbox

    def _ask(self, inbox: _Inbox) -> None:
        """Serve one connection: a request, its answer, the next request."""
        connection = _Connection(self.url)
        while (item := inbox.get()) is not None:
            answer = connection.ask(*item)
            self._idle.append(inbox)
            self._free.release()
            if answer is not None:
                self.receive(answer)
        connection.close()


class _Connection:
    """A connection that is opened again whenever it was closed."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path or "/"
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, message: bytes, timeout_s: float) -> bytes | None:
        """The answer, or an answer that describes the error; None after a time-out."""
        kept = self._connection is not None
        try:
            return self._post(message, timeout_s)
        except TimeoutError:
            self.close()
            return None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if kept and isinstance(error, _DROPPED):
                return self.ask(message, timeout_s)  # the server had closed the idle connection
            return _failure(message, str(error) or type(error).__name__)

    def _post(self, message: bytes, timeout_s: float) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        self._connection.request("POST", self._path, message, {"Content-Type": _TYPE})
        response = self._connection.getresponse()
        answer = response.read()
        if response.will_close:
            self.close()
        return answer if response.status == 200 else _failure(message, f"HTTP status {response.status}")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _failure(message: bytes, reason: str) -> bytes:
    return Answer(Frame.decode(message).request, failure=reason).encode()


@dataclass
class HttpDownlink:
    """The server of a worker."""

    server: ThreadingHTTPServer

    def answer(self, endpoint: str, message: bytes) -> None:
        """Does nothing: each answer is the response to its request."""

    def close(self) -> None:
        """Stop accepting requests."""
        self.server.shutdown()
        self.server.server_close()


def connect(host: str, port: int, _endpoint: str, receive: Receive, in_flight: int) -> HttpUplink:
    """Create the uplink to a worker or to the proxy in front of it."""
    return HttpUplink(url(host, port), receive, in_flight)


def serve(bind: str, port: int, receive: MessageHandler) -> HttpDownlink:
    """Listen for requests."""
    server = _Server((bind, port), _Handler)
    server.receive, server.front = receive, Front.from_environment()
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    return HttpDownlink(server)


class _Server(ThreadingHTTPServer):
    """A thread for each connection."""

    request_queue_size = _BACKLOG
    daemon_threads = True
    receive: MessageHandler
    front: Front | None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    """One connection and its requests, one after the other."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    head_ns = 0

    def parse_request(self) -> bool:
        """Record the arrival of the header of a request."""
        self.head_ns = time.monotonic_ns()
        return super().parse_request()

    def do_POST(self) -> None:
        """Pass a frame to the service and wait for its answer."""
        try:
            body = read_body(self.headers, cast("IO[bytes]", self.rfile))
        except ValueError:
            self.close_connection = True
            self._respond(400, b"")
            return
        answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        front = self.server.front
        passed = front.passed(self.headers, self.head_ns, time.monotonic_ns()) if front else None
        if not self.server.receive(body, Origin(answers.put, passed)):
            self._respond(400, b"")
            return
        try:
            self._respond(200, answers.get(timeout=_ANSWER_S))
        except queue.Empty:
            self._respond(504, b"")

    def do_GET(self) -> None:
        """Answer health checks."""
        self._respond(200, b"")

    def _respond(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def read_body(headers: Any, stream: IO[bytes]) -> bytes:
    """The body of a request, chunked or with a content length; ValueError if invalid or incomplete."""
    if "chunked" in (headers["Transfer-Encoding"] or "").lower():
        return b"".join(iter(lambda: _chunk(stream), b""))
    length = int(headers["Content-Length"] or 0)
    if not 0 <= length <= _MOST_BYTES:
        raise ValueError(length)
    return _exactly(stream, length)


def _chunk(stream: IO[bytes]) -> bytes:
    """The next chunk; empty for the last one (RFC 9112, section 7.1)."""
    length = int(stream.readline(1024).partition(b";")[0], 16)
    if not 0 <= length <= _MOST_BYTES:
        raise ValueError(length)
    data = _exactly(stream, length)
    while stream.readline(65536) not in (b"\r\n", b"\n", b""):
        if length:
            raise ValueError("chunk without end")
    return data


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise ValueError("incomplete body")
    return data
