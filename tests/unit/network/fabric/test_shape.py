"""Links in the units of the datapath."""

import pytest

from continuum.network.fabric.shape import Shape, default_queue_bytes, from_link


def link(**values: object) -> dict[str, object]:
    return {"src": "a", "dst": "b", **values}


def test_a_plain_link_passes_packets_untouched() -> None:
    assert from_link(link(latency_ms=0, jitter_ms=0, bandwidth_mbit=None, loss_percent=0)).plain


@pytest.mark.parametrize("key", ["latency_ms", "jitter_ms", "bandwidth_mbit", "loss_percent"])
def test_any_value_makes_it_shaped(key: str) -> None:
    assert not from_link(link(**{key: 1})).plain


def test_units() -> None:
    shape = from_link(link(latency_ms=45, jitter_ms=5, bandwidth_mbit=8, loss_percent=2))
    assert (shape.delay_s, shape.jitter_s, shape.loss) == (0.045, 0.005, 0.02)
    assert shape.seconds_per_byte == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"latency_ms": -1}, "latency_ms is -1"),
        ({"latency_ms": "5"}, "not a number"),
        ({"latency_ms": True}, "not a number"),
        ({"jitter_ms": float("nan")}, "not a number"),
        ({"jitter_correlation_ms": -1}, "jitter_correlation_ms is -1"),
        ({"bandwidth_mbit": 1, "queue_bytes": -1}, "queue_bytes is -1"),
        ({"loss_percent": 101}, "not between 0 and 100"),
        ({"bandwidth_mbit": 0}, "not above 0"),
        ({"bandwidth_mbit": -5}, "bandwidth_mbit is -5"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_link(link(**values))


def test_queue_holds_what_a_flow_needs() -> None:
    assert default_queue_bytes(125_000, 0) == 48_000  # 1 Mbit/s: 32 packets
    assert default_queue_bytes(62_500_000, 0) == 62_500_000 * 0.025  # 500 Mbit/s: 25 ms
    assert default_queue_bytes(62_500_000, 0.05) == 62_500_000 * 0.1 * 1.5  # 1.5 x bandwidth-delay product


def test_a_link_may_give_its_queue() -> None:
    assert from_link(link(bandwidth_mbit=1)).queue_bytes == 48_000
    assert from_link(link(bandwidth_mbit=1, queue_bytes=None)).queue_bytes == 48_000
    assert from_link(link(bandwidth_mbit=1, queue_bytes=9000)).queue_bytes == 9000
    assert from_link(link(queue_bytes=9000)).queue_bytes > 1e8, "an unlimited link has no queue"


def test_super_packets_are_cut_where_it_matters() -> None:
    assert from_link(link(bandwidth_mbit=10)).segments == 1
    assert from_link(link(bandwidth_mbit=500)).segments == 10
    assert from_link(link(bandwidth_mbit=500, loss_percent=1)).segments == 1
    assert from_link(link(latency_ms=10)).segments == 0


def test_the_correlation_time_is_three_deviations_unless_given() -> None:
    assert from_link(link(jitter_ms=5)).correlation_s == pytest.approx(0.015)
    assert from_link(link(jitter_ms=5, jitter_correlation_ms=None)).correlation_s == pytest.approx(0.015)
    assert from_link(link(jitter_ms=5, jitter_correlation_ms=40)).correlation_s == 0.04
    assert from_link(link(jitter_ms=5, jitter_correlation_ms=0)).correlation_s == 0


def test_a_change_reaches_everyone_who_follows_the_link() -> None:
    shape = Shape()
    follower = shape
    shape.become(from_link(link(latency_ms=10)))
    assert follower.delay_s == 0.01
    assert not follower.plain
