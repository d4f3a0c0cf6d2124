"""The address that a server on a node listens on: not all of them, since a node may have other networks."""

from __future__ import annotations

import os
import socket

from continuum.sdk import protocol

LOOPBACK = "127.0.0.1"
EVERY = "0.0.0.0"  # noqa: S104 - only where the network is the program's own


def address(configured: str = "") -> str:
    """The address to listen on.

    Loopback behind a proxy on the same node, else the node's address on the emulated network. All addresses
    in a pod, which has a network of its own, and on a host whose address is translated on the way to it.

    Args:
        configured: an address that is preferred to all of these.
    """
    if configured:
        return configured
    if os.environ.get(protocol.ENV_FRONT):
        return LOOPBACK
    own = os.environ.get(protocol.ENV_NODE_ADDRESS, "")
    return own if own and _is_local(own) else EVERY


def _is_local(own: str) -> bool:
    """Whether an address is one of this node."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((own, 0))
        except OSError:
            return False
    return True
