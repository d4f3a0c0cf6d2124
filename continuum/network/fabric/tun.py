"""TUN devices, created by ioctl with only the standard library.

All functions act on the network namespace of the calling thread: providers call them inside a node and pass
the descriptor on with SCM_RIGHTS. Running ``ip`` for each of these steps would take longer than the rest of a
node's creation.

Constants are those of ``linux/if_tun.h``, ``linux/if.h`` and ``linux/sockios.h``.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from contextlib import suppress

MTU_BYTES = 1500
"""MTU of a node's interface."""

QUEUE_PACKETS = 1000
"""Length of a node's transmit queue, for packets that the fabric has not read yet."""

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_TUN_F_CSUM = 0x01
_TUN_F_TSO4 = 0x02

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_SIOCSIFMTU = 0x8922
_SIOCSIFTXQLEN = 0x8943
_IFF_UP = 0x1


def open_tun(name: str = "eth0") -> int:
    """Create a TUN device and return its descriptor, non-blocking and closed on exec.

    Packets are read and written with a ``virtio_net_hdr`` of 10 bytes (IFF_VNET_HDR). The kernel may leave
    checksums of TCP and UDP incomplete and may pass up to 64 KiB of TCP segments as one packet (TSO), which
    makes the user-space fabric fast. The device exists as long as the descriptor is open.

    Raises:
        OSError: /dev/net/tun is missing or not accessible, or the name is in use.
    """
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode("ascii"), flags))
        fcntl.ioctl(fd, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
    except BaseException:
        os.close(fd)
        raise
    return fd


def configure(
    name: str,
    address: str,
    prefix: int,
    mtu: int = MTU_BYTES,
    txqueuelen: int = QUEUE_PACKETS,
) -> None:
    """Set the IPv4 address of an interface and bring it up.

    Args:
        name: interface of the calling thread's network namespace.
        address: IPv4 address in dotted form.
        prefix: length of the network prefix.
        mtu: largest IP packet in bytes.
        txqueuelen: length of the transmit queue in packets.

    Raises:
        OSError: the interface does not exist, or the caller lacks permission.
    """
    mask = socket.inet_ntoa(struct.pack("!I", (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        with suppress(PermissionError):  # only in the initial user namespace; the default of 500 suffices
            fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", name.encode("ascii"), txqueuelen))
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name.encode("ascii"), mtu))
        fcntl.ioctl(control, _SIOCSIFADDR, _address_request(name, address))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _address_request(name, mask))
        _bring_up(control, name)


def bring_loopback_up() -> None:
    """Bring ``lo`` up; the kernel assigns 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        _bring_up(control, "lo")


def raise_tcp_buffers(max_bytes: int = 32 << 20) -> None:
    """Raise the TCP buffer limits of this network namespace for links with a high bandwidth-delay product.

    The default limits (4 to 6 MB) restrict one flow at a round trip of 100 ms to less than 300 Mbit/s. They
    are upper bounds of the kernel's autotuning; no memory is reserved. Does nothing if the settings are
    read-only.
    """
    for name in ("tcp_rmem", "tcp_wmem"):
        with suppress(OSError, ValueError):
            _raise_ceiling(f"/proc/sys/net/ipv4/{name}", max_bytes)


def _raise_ceiling(path: str, max_bytes: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        least, default, most = (int(word) for word in os.read(fd, 100).split())
        if most < max_bytes:
            os.pwrite(fd, f"{least} {default} {max_bytes}".encode("ascii"), 0)
    finally:
        os.close(fd)


def _address_request(name: str, address: str) -> bytes:
    return struct.pack("16sHH4s16x", name.encode("ascii"), socket.AF_INET, 0, socket.inet_aton(address))


def _bring_up(control: socket.socket, name: str) -> None:
    request = struct.pack("16sH22x", name.encode("ascii"), 0)
    (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode("ascii"), flags | _IFF_UP))
