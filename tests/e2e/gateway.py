"""A front for tests: passes requests on as gateways do, with a delay of its own."""

from __future__ import annotations

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"


class Gateway:
    """Notes when the head of a request came, waits, and forwards the body in chunks.

    Args:
        port: of the worker.
        delay_s: how long it keeps each request.
        refuse_after: number of requests after which it answers 429.
    """

    def __init__(self, port: int, delay_s: float = 0.0, refuse_after: int = 1 << 30) -> None:
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                started_ns = time.time_ns()
                outer.paths.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(outer.paths) > refuse_after:
                    self._answer(429, b"")
                    return
                time.sleep(delay_s)
                worker = http.client.HTTPConnection(HOST, port)
                parts = [body[:1000], body[1000:]]
                headers = {"X-Start-Time": str(started_ns)}
                worker.request("POST", "/", (p for p in parts if p), headers, encode_chunked=True)
                response = worker.getresponse()
                self._answer(response.status, response.read())
                worker.close()

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
