"""The exact commands that netem links are made of."""

import pytest

from continuum.connection.base import Completed
from continuum.errors import ProvisionError
from continuum.model.topology import Link
from continuum.network import netem, netem_layers
from continuum.network.routes import Route


def commands(link: Link, number: int = 3) -> list[str]:
    route = Route("endpoint0", "cloud0", "10.77.0.1", link)
    return [" ".join(command) for command in netem.route_commands("eth0", number, route)]


def test_a_link_with_everything() -> None:
    assert commands(Link("endpoint", "cloud", 45, 5, 7.21, 0.5)) == [
        (
            "tc class replace dev eth0 parent 1: classid 1:3 htb rate 100gbit ceil 100gbit"
            " burst 10mb cburst 10mb quantum 1514"
        ),
        (
            "tc qdisc replace dev eth0 parent 1:3 handle 4: netem limit 2746 delay 45000us 5000us"
            " distribution normal loss random 0.5% rate 7277293bit"
        ),
        (
            "tc filter replace dev eth0 parent 1: protocol ip prio 1 handle 800::3 u32"
            " match ip dst 10.77.0.1/32 flowid 1:3"
            " action police rate 7277293bit burst 122804 mtu 64kb conform-exceed drop/ok"
        ),
    ]


def test_numbers_are_hexadecimal() -> None:
    assert [line.split()[7:9] for line in commands(Link("a", "b"), 26)[:1]] == [["classid", "1:1a"]]
    assert "parent 1:1a handle 1b: netem" in commands(Link("a", "b"), 26)[1]
    assert "handle 800::1a" in commands(Link("a", "b"), 26)[2]


@pytest.mark.parametrize(
    ("link", "options"),
    [
        (Link("a", "b"), "limit 1000"),
        (Link("a", "b", latency_ms=0.25, bandwidth_mbit=10), "limit 1000 delay 250us rate 10093333bit"),
        (
            Link("a", "b", jitter_ms=2, bandwidth_mbit=10),
            "limit 1000 delay 1us 2000us distribution normal rate 10093333bit",
        ),
        (Link("a", "b", loss_percent=100), "limit 1000 loss random 100%"),
    ],
)
def test_delay_without_jitter_and_jitter_without_delay(link: Link, options: str) -> None:
    assert " ".join(netem.netem_options(link)) == f"netem {options}"


def test_jitter_without_a_rate_keeps_packets_in_order_by_one_no_link_reaches() -> None:
    assert netem.netem_options(Link("a", "b", latency_ms=5, jitter_ms=1))[-2:] == ("rate", "100gbit")


def test_classes_only_tell_destinations_apart() -> None:
    """Tokens of a class would be lost when a timer fires late; netem's times of departure are not."""
    slow, fast = (commands(Link("a", "b", bandwidth_mbit=mbit))[0] for mbit in (1, 1000))
    assert slow == fast
    assert "rate 100gbit" in slow


@pytest.mark.parametrize(
    ("link", "packets"),
    [
        (Link("a", "b", bandwidth_mbit=10), 1000),
        # 100 Mbit/s x 100 ms = 1.25 MB in flight, and a queue of 1.5 x 2.5 MB, in packets of 64 bytes
        (Link("a", "b", latency_ms=100, bandwidth_mbit=100), 78125),
        (Link("a", "b", latency_ms=100, jitter_ms=10, bandwidth_mbit=100), 83985),
        (Link("a", "b", latency_ms=100, bandwidth_mbit=100, queue_bytes=30_000), 20000),
        (Link("a", "b", latency_ms=50), 41667),  # unlimited: 10 Gbit/s x 50 ms, in packets of 1,500 bytes
        (Link("a", "b", latency_ms=50, queue_bytes=9000), 41667),
    ],
)
def test_netem_holds_what_is_in_flight_and_waiting(link: Link, packets: int) -> None:
    assert netem.queue_packets(link) == packets


@pytest.mark.parametrize(
    ("link", "burst"),
    [
        (Link("a", "b", bandwidth_mbit=0.5), 48_448),  # 32 packets of 1,514 bytes, with Ethernet
        (Link("a", "b", bandwidth_mbit=0.5, queue_bytes=9000), 9084),
        (Link("a", "b", latency_ms=45, bandwidth_mbit=8, queue_bytes=150_000), 151_400),
    ],
)
def test_a_policer_limits_the_bytes_that_wait(link: Link, burst: int) -> None:
    words = netem.policer(link)
    assert words[words.index("burst") + 1] == str(burst)
    assert words[words.index("rate") + 1] == netem.netem_options(link)[-1], (
        "it frees room as fast as netem sends"
    )


def test_an_unlimited_link_has_no_queue_and_no_policer() -> None:
    assert netem.policer(Link("a", "b", latency_ms=5, queue_bytes=9000)) == ()
    assert commands(Link("a", "b"))[2].endswith("flowid 1:3")


def test_root_and_removal() -> None:
    assert " ".join(netem.root_command("eth1")) == "tc qdisc replace dev eth1 root handle 1: htb"
    assert " ".join(netem.removal_command("eth1")) == "tc qdisc del dev eth1 root"


def nested(link: Link) -> list[str]:
    route = Route("endpoint0", "cloud0", "10.77.0.1", link)
    return [" ".join(command) for command in netem.route_commands("eth0", 3, route, nested=True)]


def test_a_nested_queue_holds_bursts_for_their_jitter() -> None:
    _, outer, inner, _ = nested(Link("endpoint", "cloud", 45, 5, 7.21, 0.5))
    assert outer == (
        "tc qdisc replace dev eth0 parent 1:3 handle 4: netem limit 2746"
        " slot distribution normal 10000us 5000us"
    )
    assert inner == (
        "tc qdisc replace dev eth0 parent 4:1 handle 4003: netem limit 2394 delay 35000us loss random 0.5%"
        " rate 7277293bit"
    )


@pytest.mark.parametrize(
    ("link", "outer", "inner"),
    [
        (Link("a", "b", 3, 5), "slot distribution normal 3000us 5000us", "netem limit 1000"),
        (Link("a", "b", jitter_ms=2), "slot distribution normal 1us 2000us", "netem limit 1000"),
        (Link("a", "b", 45, bandwidth_mbit=10), "slot 0us", "delay 45000us rate 10093333bit"),
    ],
)
def test_what_is_not_held_is_delayed(link: Link, outer: str, inner: str) -> None:
    commands = nested(link)
    assert commands[1].endswith(outer)
    assert commands[2].endswith(inner)


def test_both_ways_have_the_same_queue() -> None:
    link = Link("a", "b", 45, 5, 7.21)
    assert nested(link)[-1] == commands(link)[-1]


SHOWN = """\
qdisc htb 1: root refcnt 2 r2q 10 default 0 direct_packets_stat 0 direct_qlen 1000
qdisc netem 4: parent 1:3 limit 1000
"""


def test_nested_queues_are_told_by_their_numbers() -> None:
    assert not netem_layers.has_inner(SHOWN)
    assert not netem_layers.has_inner(SHOWN + "qdisc netem 40: parent 1:3f limit 1000\n")
    assert netem_layers.has_inner(SHOWN + "qdisc netem 4003: parent 4:1 limit 1000 delay 35ms\n")


class Answers:
    """A node whose commands end with a status, or not at all."""

    def __init__(self, status: int | None, stdout: str = "") -> None:
        self.status, self.stdout = status, stdout

    def run(self, argv: tuple[str, ...], **_: object) -> Completed:
        if self.status is None:
            raise ProvisionError("gone")
        return Completed(argv, self.status, self.stdout, "")


@pytest.mark.parametrize(("status", "can"), [(0, True), (1, False), (-9, False), (None, False)])
def test_only_a_node_that_passed_its_test_nests_queues(status: int | None, can: bool) -> None:
    assert netem_layers.can_nest(Answers(status)) == can  # type: ignore[arg-type]


def test_a_change_keeps_to_what_is_there() -> None:
    inner = SHOWN + "qdisc netem 4003: parent 4:1 limit 1000\n"
    assert netem_layers.is_nested(Answers(0, inner), "eth0")  # type: ignore[arg-type]
    assert not netem_layers.is_nested(Answers(0, SHOWN), "eth0")  # type: ignore[arg-type]
    assert not netem_layers.is_nested(Answers(None), "eth0")  # type: ignore[arg-type]
