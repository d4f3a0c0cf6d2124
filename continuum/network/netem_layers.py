"""Whether the kernel of a node can put one netem queue into another; its test runs on the node.

The outer queue holds bursts for their jitter (``slot``), the inner one has rate and delay. Kernels before the
fix "netem: account for backlog updates from child qdisc" (Linux 6.13, and stable releases of its time) forget
the packets of the inner queue: HTB then does not ask for them. So the node tries it, in a network namespace
that ends with the test.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from continuum.errors import ContinuumError

if TYPE_CHECKING:
    from continuum.connection.base import Connection

INNER = 0x4000
"""Added to the number of a destination, the major number of its inner queue."""

_TIMEOUT_S = 60.0
_SHOW_TIMEOUT_S = 15.0

TEST = """
import ctypes, socket, subprocess, sys
if ctypes.CDLL(None).unshare(0x40000000):
    sys.exit(1)
subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
batch = '''qdisc add dev lo root handle 1: htb default 1
class add dev lo parent 1: classid 1:1 htb rate 100gbit burst 10mb cburst 10mb
qdisc add dev lo parent 1:1 handle 2: netem limit 100 slot distribution normal 2000us 100us
qdisc add dev lo parent 2:1 handle 4001: netem limit 100 delay 5000us rate 100mbit
'''
subprocess.run(("tc", "-batch", "-"), input=batch.encode(), check=True)
receiver, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
receiver.bind(("127.0.0.1", 0))
receiver.settimeout(3)
for _ in range(3):
    sender.sendto(b"x", receiver.getsockname())
for _ in range(3):
    receiver.recv(10)
"""
"""Ends with status 0 if three packets pass both queues without any further packet."""


def can_nest(connection: Connection) -> bool:
    """Whether the node passes the test; False if it cannot be run there."""
    with suppress(ContinuumError):
        argv = ("python3", "-I", "-S", "-c", TEST)
        return connection.run(argv, timeout=_TIMEOUT_S, check=False).status == 0
    return False


def is_nested(connection: Connection, interface: str) -> bool:
    """Whether the queues of the interface are nested now."""
    with suppress(ContinuumError):
        argv = ("tc", "qdisc", "show", "dev", interface)
        return has_inner(connection.run(argv, timeout=_SHOW_TIMEOUT_S, check=False).stdout)
    return False


def has_inner(shown: str) -> bool:
    """Whether the output of ``tc qdisc show`` has an inner queue."""
    return any(line.startswith("qdisc netem 4") and _major(line) >= INNER for line in shown.splitlines())


def _major(line: str) -> int:
    return int(line.split()[2].rstrip(":"), 16)
