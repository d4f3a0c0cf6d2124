"""TCP super-packets: counting their segments and splitting them.

A node's kernel passes up to 64 KiB of a TCP stream as one packet with a ``virtio_net_hdr`` (Virtual I/O
Device specification, section 5.1.6; TSO). On a real network these would be segments of the path's MTU, each
with its own headers; rates, losses and drops count those.
"""

from __future__ import annotations

import struct
import sys

VNET_BYTES = 10
"""Length of the ``virtio_net_hdr`` in front of each packet."""

MAX_PACKET_BYTES = VNET_BYTES + 65535

_VNET = struct.Struct("=BBHHHH")  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
_NEEDS_CSUM = 1
_GSO_TCPV4 = 1
_GSO_ECN = 0x80
_WORD = struct.Struct("!H")
_LONG = struct.Struct("!I")
_FIN_PSH = 0x09
_CWR = 0x80


class Train:
    """A TCP super-packet that can be split between its segments.

    Attributes:
        count: number of segments.
    """

    __slots__ = ("_base", "_data", "_header", "_id", "_ip", "_mss", "_pseudo", "_seq", "_tcp", "count")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.count, self._mss, self._header = _layout(data)
        self._ip = (data[VNET_BYTES] & 15) * 4
        self._tcp = VNET_BYTES + self._ip
        self._id: int = _WORD.unpack_from(data, VNET_BYTES + 4)[0]
        self._seq: int = _LONG.unpack_from(data, self._tcp + 4)[0]
        # Header sums without the fields that differ between pieces: length, identification, checksum.
        words = struct.unpack_from(f"!{self._ip // 2}H", data, VNET_BYTES)
        self._base = sum(words) - words[1] - words[2] - words[5]
        self._pseudo = words[6] + words[7] + words[8] + words[9] + 6

    def bytes_of(self, first: int, count: int) -> int:
        """Bytes of the IP packets of ``count`` segments, from segment ``first`` on."""
        payload = min(count * self._mss, len(self._data) - self._header - first * self._mss)
        return payload + count * (self._header - VNET_BYTES)

    def cut(self, first: int, count: int) -> bytes:
        """``count`` segments, from segment ``first`` on, as a packet to write to a TUN device.

        A single segment is an ordinary packet. The TCP checksum remains incomplete (NEEDS_CSUM), with the
        pseudo-header sum for the new length, as in the packets that the kernel passes.
        """
        start = self._header + first * self._mss
        end = min(start + count * self._mss, len(self._data))
        header = bytearray(self._data[: self._header])
        tcp = self._tcp
        ip_bytes = self._header - VNET_BYTES + end - start
        ident = (self._id + first) & 0xFFFF
        _VNET.pack_into(header, 0, *self._vnet(count if end - start > self._mss else 1))
        _WORD.pack_into(header, VNET_BYTES + 2, ip_bytes)
        _WORD.pack_into(header, VNET_BYTES + 4, ident)
        _WORD.pack_into(header, VNET_BYTES + 10, _fold(self._base + ip_bytes + ident) ^ 0xFFFF)
        _LONG.pack_into(header, tcp + 4, (self._seq + first * self._mss) & 0xFFFFFFFF)
        if end < len(self._data):
            header[tcp + 13] &= ~_FIN_PSH
        if first:
            header[tcp + 13] &= ~_CWR
        _WORD.pack_into(header, tcp + 16, _fold(self._pseudo + ip_bytes - self._ip))
        return bytes(header) + self._data[start:end]

    def _vnet(self, count: int) -> tuple[int, int, int, int, int, int]:
        header = self._header - VNET_BYTES
        if count == 1:
            return _NEEDS_CSUM, 0, header, 0, self._ip, 16
        return _NEEDS_CSUM, self._data[1], header, self._mss, self._ip, 16


def _layout(data: bytes) -> tuple[int, int, int]:
    """Number of segments, payload bytes of all but the last, and start of the payload."""
    mss = data[4] | data[5] << 8 if sys.byteorder == "little" else data[4] << 8 | data[5]
    tcp = VNET_BYTES + (data[VNET_BYTES] & 15) * 4
    header = tcp + (data[tcp + 12] >> 4) * 4
    return max(1, -(-(len(data) - header) // mss)), mss, header


def measure(data: bytes) -> tuple[int, int]:
    """Number of IP packets in a packet of a TUN device, and their bytes including headers."""
    if not data[1]:
        return 1, len(data) - VNET_BYTES
    count, _, header = _layout(data)
    return count, len(data) - VNET_BYTES + (count - 1) * (header - VNET_BYTES)


def is_train(data: bytes) -> bool:
    """Whether a packet is a TCP super-packet."""
    return data[1] & ~_GSO_ECN == _GSO_TCPV4


def _fold(total: int) -> int:
    """A sum of 16-bit words in ones' complement (RFC 1071)."""
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)
