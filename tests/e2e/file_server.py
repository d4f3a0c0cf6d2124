"""A server on loopback for downloads: serves what it is given, and fails in the ways that servers fail."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What the server has, and how it behaves; may be changed while it runs.

    Attributes:
        content: by path, without the leading slash.
        types: content types, by path.
        faults: by path, how each of the next answers goes wrong: ``hang``, ``cut`` (only half of it comes),
            or an HTTP status; when they are used up, all is well.
        token: what must be presented, where that is asked for; empty for nothing.
        hangs: whether no answer ever comes.
        asked: what was asked for, with the range, if any.
        address: of the server.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[str | int]] = field(default_factory=dict)
    token: str = ""
    hangs: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(files: Files) -> Iterator[Files]:
    """The server, from ``with`` to its end."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].lstrip("/")
            files.asked.append((path, self.headers.get("Range", "")))
            if files.token and path.startswith("v2/") and not self._knows_token():
                return
            if files.hangs:
                ended.wait(60)
                return
            fault = files.faults.get(path, [None]).pop(0) if files.faults.get(path) else None
            if fault == "hang":
                ended.wait(60)
                return
            if isinstance(fault, int) or path not in files.content:
                self.send_error(fault if isinstance(fault, int) else 404)
                return
            self._send(path, files.content[path], cut=fault == "cut")

        def _knows_token(self) -> bool:
            if self.headers.get("Authorization") == f"Bearer {files.token}":
                return True
            challenge = f'Bearer realm="{files.address}/token",service="here",scope="repository:x:pull"'
            self.send_response(401)
            self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def _send(self, path: str, data: bytes, *, cut: bool) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            offset = int(wanted[1]) if wanted else 0
            if offset >= len(data) > 0:
                self.send_error(416)
                return
            rest = data[offset:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.send_header("Content-Type", files.types.get(path, "application/octet-stream"))
            self.end_headers()
            self.wfile.write(rest[: len(rest) // 2] if cut else rest)
            self.close_connection = cut

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield files
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
