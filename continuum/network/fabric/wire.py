"""The message format of the control socket.

A request is one packet with a JSON object, and with descriptors for ``attach``. A reply is one or more
packets; the first byte of each tells whether another one follows.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MAX_REQUEST_BYTES = 128 << 10
"""Maximum length of a request; longer ones are refused."""

MAX_DESCRIPTORS = 250
"""Maximum number of descriptors in one request; the kernel allows 253 (SCM_MAX_FD)."""

_PIECE_BYTES = 64 << 10
_MORE = b"+"
_LAST = b"."


def encode(message: object) -> bytes:
    """Encode a message as JSON."""
    return json.dumps(message, separators=(",", ":")).encode("utf-8")


def pieces(reply: object) -> Iterator[bytes]:
    """The packets of a reply, in order."""
    data = encode(reply)
    for start in range(0, len(data), _PIECE_BYTES):
        last = start + _PIECE_BYTES >= len(data)
        yield (_LAST if last else _MORE) + data[start : start + _PIECE_BYTES]


def receive_reply(source: socket.socket) -> dict[str, Any]:
    """Read one reply.

    Raises:
        EOFError: the fabric has closed the connection.
        OSError: no reply within the time-out.
        ValueError: the reply is not JSON.
    """
    data = b""
    while True:
        piece = source.recv(_PIECE_BYTES + 1)
        if not piece:
            raise EOFError("the fabric is gone")
        data += piece[1:]
        if piece[:1] == _LAST:
            reply: dict[str, Any] = json.loads(data)
            return reply


@contextmanager
def short_path(directory: str | os.PathLike[str], name: str) -> Iterator[str]:
    """A short path to ``name`` in a folder, for use as a socket address.

    A socket address is limited to 108 bytes; the folder is opened and addressed through /proc/self/fd.
    """
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)
