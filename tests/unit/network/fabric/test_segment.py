"""Cutting TCP super-packets: every piece is a valid packet, and together they are the stream."""

import struct

import pytest

from continuum.network.fabric.segment import VNET_BYTES, Train, is_train, measure

FIN, PSH, ACK, CWR = 0x01, 0x08, 0x10, 0x80
MSS = 1000


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def super_packet(payload: bytes, flags: int = ACK, options: bytes = b"\1" * 12, ident: int = 7) -> bytes:
    tcp_bytes = 20 + len(options)
    ip = bytearray(
        struct.pack(
            "!BBHHHBBH4s4s",
            0x45,
            0,
            20 + tcp_bytes + len(payload),
            ident,
            0x4000,
            64,
            6,
            0,
            b"\x0a\x4d\0\1",
            b"\x0a\x4d\0\2",
        )
    )
    struct.pack_into("!H", ip, 10, checksum(bytes(ip)))
    tcp = struct.pack("!HHIIBBHHH", 1234, 80, 0xFFFFF000, 5, tcp_bytes // 4 << 4, flags, 100, 0, 0) + options
    vnet = struct.pack("=BBHHHH", 1, 1, 20 + tcp_bytes, MSS, 20, 16)
    return vnet + bytes(ip) + tcp + payload


def pieces(data: bytes, together: int) -> list[bytes]:
    train = Train(data)
    return [train.cut(first, min(together, train.count - first)) for first in range(0, train.count, together)]


PAYLOAD = bytes(i * 7 % 251 for i in range(5321))


@pytest.mark.parametrize("together", [1, 2, 4, 6])
def test_pieces_are_the_whole_stream_in_order(together: int) -> None:
    cut = pieces(super_packet(PAYLOAD), together)
    assert b"".join(piece[VNET_BYTES + 52 :] for piece in cut) == PAYLOAD
    sequence = 0xFFFFF000
    for piece in cut:
        assert struct.unpack_from("!I", piece, VNET_BYTES + 24)[0] == sequence
        sequence = (sequence + len(piece) - VNET_BYTES - 52) & 0xFFFFFFFF


@pytest.mark.parametrize("together", [1, 3])
def test_ip_header_of_every_piece_is_valid(together: int) -> None:
    cut = pieces(super_packet(PAYLOAD, ident=0xFFFE), together)
    for number, piece in enumerate(cut):
        ip = piece[VNET_BYTES : VNET_BYTES + 20]
        assert checksum(ip) == 0
        length, ident = struct.unpack_from("!HH", ip, 2)
        assert length == len(piece) - VNET_BYTES
        assert ident == (0xFFFE + number * together) & 0xFFFF


@pytest.mark.parametrize("together", [1, 3])
def test_checksum_of_tcp_is_left_over_the_own_pseudo_header(together: int) -> None:
    for piece in pieces(super_packet(PAYLOAD), together):
        assert piece[0] == 1, "NEEDS_CSUM"
        tcp = piece[VNET_BYTES + 20 :]
        pseudo = piece[VNET_BYTES + 12 : VNET_BYTES + 20] + struct.pack("!HH", 6, len(tcp))
        assert struct.unpack_from("!H", tcp, 16)[0] == checksum(pseudo) ^ 0xFFFF


def test_flags_stand_where_a_network_card_puts_them() -> None:
    flags = [piece[VNET_BYTES + 33] for piece in pieces(super_packet(PAYLOAD, ACK | FIN | PSH | CWR), 1)]
    assert flags == [ACK | CWR, *[ACK] * 4, ACK | FIN | PSH]


def test_single_segments_are_ordinary_packets_and_longer_pieces_are_not() -> None:
    assert [is_train(piece) for piece in pieces(super_packet(PAYLOAD), 1)] == [False] * 6
    assert [is_train(piece) for piece in pieces(super_packet(PAYLOAD), 5)] == [True, False]


def test_wire_bytes_count_the_headers_of_every_segment() -> None:
    data = super_packet(PAYLOAD)
    assert measure(data) == (6, len(PAYLOAD) + 6 * 52)
    train = Train(data)
    assert sum(train.bytes_of(first, 1) for first in range(6)) == len(PAYLOAD) + 6 * 52
    assert train.bytes_of(4, 2) == 1000 + 321 + 2 * 52
    plain = pieces(data, 1)[0]
    assert measure(plain) == (1, 1052)


def test_a_dropped_tail_leaves_no_end_of_stream() -> None:
    whole = Train(super_packet(PAYLOAD, ACK | FIN))
    assert whole.cut(0, 5)[VNET_BYTES + 33] == ACK
    assert whole.cut(5, 1)[VNET_BYTES + 33] == ACK | FIN


def test_options_of_ip_are_kept_and_summed() -> None:
    data = super_packet(PAYLOAD)
    ip = bytearray(data[VNET_BYTES : VNET_BYTES + 20] + b"\x94\x04\0\0")
    ip[0] = 0x46
    with_option = data[:VNET_BYTES] + bytes(ip) + data[VNET_BYTES + 20 :]
    first = pieces(with_option, 1)[0]
    assert checksum(first[VNET_BYTES : VNET_BYTES + 24]) == 0
    assert first[VNET_BYTES + 20 : VNET_BYTES + 24] == b"\x94\x04\0\0"
