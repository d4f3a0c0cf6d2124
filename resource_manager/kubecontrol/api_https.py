"""HTTPS requests to the parts of a control plane, as its administrator, over connections that stay open."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from continuum.connection import Connection
from continuum.connection.forward import disable_nagle
from continuum.errors import ConnectionFailure

API_NAME = "kubernetes"
"""A name that the API's certificate always has."""

TIMEOUT_S = 60.0


class ApiConnection:
    """A connection to one port of a node's loopback, used by one thread at a time.

    Args:
        connection: to the node.
        port: TCP port there.
        keys: folder with the administrator's certificate and key, and the API's authority.
        is_api: whether it is the API server's port; other parts sign their own certificates.
    """

    def __init__(self, connection: Connection, port: int, keys: Path, *, is_api: bool = True) -> None:
        self._connection, self._port = connection, port
        self._context = _context(keys, is_api=is_api)
        self._open: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Send a request; returns the body of the answer.

        Raises:
            ConnectionFailure: there is no answer, or its status is an error.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json, text/plain", "Content-Type": "application/json"}
        try:
            client = self._open = self._open or self._connect()
            client.request(method, path, data, headers)
            answer = client.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionFailure(f"{self._connection.node}: port {self._port}: {error}") from error
        if answer.status >= http.client.BAD_REQUEST:
            text = content[:200].decode(errors="replace")
            raise ConnectionFailure(
                f"{self._connection.node}: port {self._port}: {method} {path}: {answer.status} {text}"
            )
        return content

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connect(self) -> http.client.HTTPConnection:
        raw = self._connection.dial(self._port)
        raw.settimeout(TIMEOUT_S)
        disable_nagle(raw)
        client = http.client.HTTPConnection(API_NAME)
        client.sock = self._context.wrap_socket(raw, server_hostname=API_NAME)
        return client


def _context(keys: Path, *, is_api: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / "api-ca.crt"))
    if not is_api:  # on the node's loopback, over a connection that is authenticated itself
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    return context
