"""What packets meet on a fabric's links, between real network namespaces."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.fabric_nodes import BareNetwork, BareNode, both_ways, why_not
from continuum.model.topology import Link

pytestmark = [
    pytest.mark.root,
    pytest.mark.measures,
    pytest.mark.skipif(bool(reason := why_not()), reason=f"no bare nodes here: {reason}"),
]

DEADLINE_S = 20.0
SHORT_S = 0.2
"""How long nothing must have come to be sure that nothing comes."""


@pytest.fixture
def net() -> Iterator[BareNetwork]:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint"}) as network:
        yield network


def udp(node: BareNode, timeout_s: float = DEADLINE_S) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        made.bind((node.address, 7000))
        made.settimeout(timeout_s)
        return made

    return node.call(make)


def send_numbered(source: socket.socket, target: BareNode, count: int, size: int = 100) -> None:
    for number in range(count):
        source.sendto(struct.pack("!I", number).ljust(size, b"\0"), (target.address, 7000))


def numbers(source: socket.socket, *, until_quiet_s: float = 0.5) -> list[int]:
    """What arrives, until nothing has come for a while."""
    source.settimeout(until_quiet_s)
    got = []
    try:
        while True:
            got.append(struct.unpack_from("!I", source.recv(2000))[0])
    except TimeoutError:
        return got


def transfer(net: BareNetwork, size: int) -> None:
    """Random bytes over TCP arrive as they were."""
    payload = random.Random(size).randbytes(size)
    cloud, endpoint = net["cloud0"], net["endpoint0"]
    listener = cloud.call(lambda: socket.create_server((cloud.address, 8000)))
    listener.settimeout(DEADLINE_S)
    sender = endpoint.call(lambda: socket.create_connection((cloud.address, 8000), DEADLINE_S))
    receiver, _ = listener.accept()
    receiver.settimeout(DEADLINE_S)

    def send() -> None:
        sender.sendall(payload)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    digest, total = hashlib.sha256(), 0
    while data := receiver.recv(1 << 20):
        digest.update(data)
        total += len(data)
    thread.join(DEADLINE_S)
    for one in (listener, sender, receiver):
        one.close()
    assert total == size
    assert digest.digest() == hashlib.sha256(payload).digest()


def between(net: BareNetwork, src: str, dst: str) -> dict[str, int]:
    return next(link for link in net.client.stats()["links"] if (link["src"], link["dst"]) == (src, dst))


def wait_for(net: BareNetwork, counter: str, value: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while net.client.stats()[counter] < value:
        assert time.monotonic() < deadline, f"{counter} does not reach {value}"
        time.sleep(0.005)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"latency_ms": 5},
        {"bandwidth_mbit": 50},
        {"bandwidth_mbit": 800, "latency_ms": 2},
        {"latency_ms": 2, "jitter_ms": 1},
        {"bandwidth_mbit": 50, "latency_ms": 1, "loss_percent": 1},
    ],
)
def test_tcp_carries_every_byte(net: BareNetwork, shape: dict[str, float]) -> None:
    net.shape(*both_ways("cloud", "endpoint", **shape))
    transfer(net, 1_500_000)
    counted = between(net, "endpoint", "cloud")
    assert counted["bytes"] > 1_500_000
    assert (counted["lost"] > 0) == ("loss_percent" in shape)


def test_super_packets_are_counted_and_sent_as_packets_of_the_mtu(net: BareNetwork) -> None:
    net.shape(*both_ways("cloud", "endpoint", bandwidth_mbit=20))
    transfer(net, 400_000)
    counted = between(net, "endpoint", "cloud")
    assert counted["packets"] >= 400_000 / 1448


def test_udp_crosses_both_ways(net: BareNetwork) -> None:
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    endpoint.sendto(b"up", (net["cloud0"].address, 7000))
    data, sender = cloud.recvfrom(100)
    assert (data, sender) == (b"up", (net["endpoint0"].address, 7000))
    cloud.sendto(b"down", sender)
    assert endpoint.recv(100) == b"down"


def test_udp_beyond_the_mtu_arrives_whole(net: BareNetwork) -> None:
    net.shape(*both_ways("cloud", "endpoint", bandwidth_mbit=100, latency_ms=1, jitter_ms=1))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    payload = random.Random(1).randbytes(20_000)
    endpoint.sendto(payload, (net["cloud0"].address, 7000))
    assert cloud.recv(65536) == payload


def test_icmp_crosses(net: BareNetwork) -> None:
    node, other = net["endpoint0"], net["cloud0"]
    raw = node.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    raw.settimeout(DEADLINE_S)
    body = struct.pack("!BBHHH", 8, 0, 0, 0x1234, 1)
    total = sum(struct.unpack("!4H", body))
    raw.sendto(struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, 0x1234, 1), (other.address, 0))
    reply = raw.recv(100)
    raw.close()
    assert (reply[20], reply[24:26]) == (0, b"\x12\x34")


def test_order_is_kept_under_jitter(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", latency_ms=10, jitter_ms=20))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    for number in range(200):
        endpoint.sendto(struct.pack("!I", number), (net["cloud0"].address, 7000))
        time.sleep(0.002)
    assert numbers(cloud) == list(range(200))


def test_packets_on_their_way_keep_their_time_and_their_place(net: BareNetwork) -> None:
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    net.shape(Link("endpoint", "cloud", latency_ms=1500))
    send_numbered(endpoint, net["cloud0"], 1)
    wait_for(net, "in_flight", 1)
    net.shape(Link("endpoint", "cloud"))
    endpoint.sendto(struct.pack("!I", 1), (net["cloud0"].address, 7000))
    wait_for(net, "in_flight", 2)
    assert [struct.unpack_from("!I", cloud.recv(100))[0] for _ in range(2)] == [0, 1]


def test_a_full_queue_drops_at_the_tail_and_counts(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", bandwidth_mbit=0.5))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    send_numbered(endpoint, net["cloud0"], 100, 1000)
    got = numbers(cloud)
    counted = between(net, "endpoint", "cloud")
    assert got[:30] == list(range(30)), "the head of the queue is served"
    assert counted["dropped_queue"] > 0
    assert len(got) == counted["packets"]
    assert len(got) + counted["dropped_queue"] == 100
    assert counted["peak_queue_bytes"] <= 48_000


def test_drops_begin_at_the_bytes_of_the_links_queue(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", bandwidth_mbit=0.1, queue_bytes=10_000))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    send_numbered(endpoint, net["cloud0"], 30, 972)  # IP packets of 1,000 bytes, 80 ms each
    got = numbers(cloud)
    assert got[:10] == list(range(10)), "ten packets of 1,000 bytes fit"
    counted = between(net, "endpoint", "cloud")
    assert counted["dropped_queue"] == 30 - len(got) > 0
    assert 9_000 < counted["peak_queue_bytes"] <= 10_000


def test_small_packets_fill_a_queue_by_their_bytes(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", bandwidth_mbit=0.1, queue_bytes=10_000))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    send_numbered(endpoint, net["cloud0"], 200, 72)  # IP packets of 100 bytes, 8 ms each
    got = numbers(cloud)
    assert got[:100] == list(range(100))
    assert len(got) < 200
    assert 9_900 < between(net, "endpoint", "cloud")["peak_queue_bytes"] <= 10_000


def test_nothing_passes_at_full_loss_and_all_of_it_afterwards(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", loss_percent=100))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    send_numbered(endpoint, net["cloud0"], 50)
    assert numbers(cloud, until_quiet_s=SHORT_S) == []
    assert between(net, "endpoint", "cloud")["lost"] == 50
    net.shape(Link("endpoint", "cloud", loss_percent=0))
    send_numbered(endpoint, net["cloud0"], 50)
    assert numbers(cloud) == list(range(50))


def test_loss_takes_its_share_and_the_seed_says_which() -> None:
    arrived = []
    for seed in (1, 1, 2):
        with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint"}, seed=seed) as net:
            net.shape(Link("endpoint", "cloud", loss_percent=20))
            cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
            send_numbered(endpoint, net["cloud0"], 500)
            arrived.append(numbers(cloud, until_quiet_s=SHORT_S))
            counted = between(net, "endpoint", "cloud")
            assert counted["lost"] + counted["packets"] == 500
    assert 340 < len(arrived[0]) < 460
    assert arrived[0] == arrived[1] != arrived[2]


def test_a_link_holds_one_way_only(net: BareNetwork) -> None:
    net.shape(Link("endpoint", "cloud", loss_percent=100))
    cloud, endpoint = udp(net["cloud0"]), udp(net["endpoint0"])
    send_numbered(endpoint, net["cloud0"], 5)
    send_numbered(cloud, net["endpoint0"], 5)
    assert numbers(endpoint) == list(range(5))
    assert numbers(cloud, until_quiet_s=SHORT_S) == []


def test_a_nodes_link_goes_before_its_tiers() -> None:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint", "endpoint1": "endpoint"}) as net:
        cloud, first, second = udp(net["cloud0"]), udp(net["endpoint0"]), udp(net["endpoint1"])
        send_numbered(first, net["cloud0"], 1)  # the pair exists before its link does
        assert numbers(cloud, until_quiet_s=SHORT_S) == [0]
        net.shape(Link("endpoint0", "cloud", loss_percent=100))
        net.shape(Link("endpoint", "cloud", latency_ms=1))
        send_numbered(first, net["cloud0"], 3)
        assert numbers(cloud, until_quiet_s=SHORT_S) == []
        send_numbered(second, net["cloud0"], 3)
        assert numbers(cloud) == [0, 1, 2]


def test_what_has_no_receiver_is_counted(net: BareNetwork) -> None:
    endpoint = udp(net["endpoint0"])
    before = net.client.stats()["unroutable"]
    endpoint.sendto(b"x", ("10.77.99.99", 7000))
    endpoint.sendto(b"x", ("224.0.0.251", 7000))
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    endpoint.sendto(b"x", ("10.77.255.255", 7000))
    wait_for(net, "unroutable", before + 3)


def test_the_intended_delay_of_probes_has_the_queue_of_their_link(net: BareNetwork) -> None:
    cloud, endpoint = net["cloud0"], net["endpoint0"]
    net.shape(Link("endpoint", "cloud", latency_ms=5, bandwidth_mbit=1))
    net.client.expect_probes([("endpoint0", "cloud0", 7000)])
    source, target = udp(endpoint), udp(cloud)
    probe = struct.Struct("!cqqq")
    for number in range(3):  # of 53 bytes, at 1 Mbit/s: 0.424 ms each
        source.sendto(probe.pack(b"S", 8, number, 0), (cloud.address, 7000))
    for number in range(3):
        assert probe.unpack(target.recv(2000))[:3] == (b"S", 8, number)
    intended = net.client.intended()
    assert list(intended) == [(8, 0), (8, 1), (8, 2)]
    assert intended[8, 0] == pytest.approx(0.005424, abs=1e-6)
    assert 0.005424 <= intended[8, 2] <= 0.006272 + 1e-6
    assert net.client.intended() == {}
    source.close()
    target.close()
