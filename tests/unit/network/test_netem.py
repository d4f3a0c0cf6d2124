"""The exact commands that netem links are made of."""

import pytest

from continuum.model.topology import Link
from continuum.network import netem
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
            "tc qdisc replace dev eth0 parent 1:3 handle 4: netem limit 1000 delay 45000us 5000us"
            " distribution normal loss random 0.5% rate 7277293bit"
        ),
        (
            "tc filter replace dev eth0 parent 1: protocol ip prio 1 handle 800::3 u32"
            " match ip dst 10.77.0.1/32 flowid 1:3"
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
        # 100 Mbit/s x 100 ms = 833.3 packets in flight, and a queue of 1.5 x 1.25 MB x 2
        (Link("a", "b", latency_ms=100, bandwidth_mbit=100), 3334),
        (Link("a", "b", latency_ms=100, jitter_ms=10, bandwidth_mbit=100), 3584),
        (Link("a", "b", latency_ms=50), 41667),  # unlimited: 10 Gbit/s x 50 ms
    ],
)
def test_queues_hold_what_is_in_flight_and_waiting(link: Link, packets: int) -> None:
    assert netem.queue_packets(link) == packets


def test_root_and_removal() -> None:
    assert " ".join(netem.root_command("eth1")) == "tc qdisc replace dev eth1 root handle 1: htb"
    assert " ".join(netem.removal_command("eth1")) == "tc qdisc del dev eth1 root"
