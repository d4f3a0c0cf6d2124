"""The public address of this host, for the firewall."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct

from continuum.errors import ProvisionError

_NAME = "o-o.myaddr.l.google.com"
"""Google's name servers answer a query for its TXT record with the address of the client."""

_SERVERS = (("216.239.32.10", 53), ("216.239.34.10", 53), ("216.239.36.10", 53), ("216.239.38.10", 53))
_TIMEOUT_S = 3.0
_TXT, _IN = 16, 1


def caller(text: str, servers: tuple[tuple[str, int], ...] = _SERVERS, timeout_s: float = _TIMEOUT_S) -> str:
    """The network that may log in, as in ``203.0.113.7/32``.

    Args:
        text: an address, a network, or ``auto``.
        servers: name servers for ``auto``, tried in turn.
        timeout_s: time limit of each query.

    Raises:
        ProvisionError: no server answers.
    """
    if text != "auto":
        return str(ipaddress.ip_network(text, strict=False))
    for server in servers:
        try:
            return f"{ask(server, timeout_s)}/32"
        except (OSError, ValueError, struct.error, IndexError):
            continue
    raise ProvisionError(
        "the public address of this host is unknown, since Google's name servers do not answer;"
        " write it into the config, as in gcp_source = 203.0.113.7"
    )


def ask(server: tuple[str, int], timeout_s: float) -> ipaddress.IPv4Address:
    """Query one name server; ValueError if the answer is not an address."""
    ident = secrets.token_bytes(2)
    question = b"".join(bytes([len(part)]) + part.encode() for part in _NAME.split(".")) + b"\0"
    question += struct.pack("!HH", _TXT, _IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(timeout_s)
        asked.connect(server)
        asked.send(ident + struct.pack("!5H", 0, 1, 0, 0, 0) + question)
        answer = asked.recv(2048)
    if answer[:2] != ident or not answer[12:].startswith(question):
        raise ValueError("answer to another query")
    return _first_text(answer, 12 + len(question))


def _first_text(answer: bytes, at: int) -> ipaddress.IPv4Address:
    """The first TXT record that is an address; other records name the resolver."""
    for _ in range(struct.unpack_from("!H", answer, 6)[0]):
        at += 2 if answer[at] >= 0xC0 else answer.index(b"\0", at) + 1 - at
        kind, length = struct.unpack_from("!HxxxxxxH", answer, at)
        data = answer[at + 10 : at + 10 + length]
        at += 10 + length
        if kind == _TXT:
            try:
                return ipaddress.IPv4Address(data[1 : 1 + data[0]].decode("ascii"))
            except (ValueError, IndexError):
                continue
    raise ValueError("no address in the answer")
