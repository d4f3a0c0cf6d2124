"""Offsets between clocks, with an error that holds."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager

import pytest

from continuum.measure.clock import Exchange, NodeClock, Offset, estimate, measure, measure_all, pair


class SkewedNode:
    """A node whose clock is ahead of this host's; it counts how often it was asked."""

    def __init__(self, offset_ns: int, host_clock: bool = False) -> None:
        self.node = "edge0"
        self.host_clock = host_clock
        self.offset_ns = offset_ns
        self.asked = 0

    @contextmanager
    def clock(self):
        def read() -> int:
            self.asked += 1
            return time.monotonic_ns() + self.offset_ns

        yield read


def test_shortest_round_trip_decides():
    found = estimate(
        [Exchange(0, 5_900, 1_000), Exchange(2_000, 7_050, 2_100), Exchange(3_000, 9_900, 4_000)]
    )
    assert found == Offset(at_ns=2_050, offset_ns=5_000, error_ns=50)


def test_error_bounds_the_truth_however_lopsided_the_way():
    rng = random.Random(5)
    for _ in range(300):
        truth, now = rng.randrange(-(10**12), 10**12), rng.randrange(10**12)
        made = []
        for _ in range(5):
            there, back = rng.randrange(1, 10**6), rng.randrange(1, 10**6)
            made.append(Exchange(now, now + there + truth, now + there + back))
        found = estimate(made)
        assert abs(found.offset_ns - truth) <= found.error_ns


def test_no_exchange_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        estimate([])


def test_drift_is_interpolated():
    # Gains 100 ns in 1,000,000 ns: 100 ppm.
    clock = NodeClock(Offset(0, 500, 3), Offset(1_000_000, 600, 7))
    assert clock.drift_ppm == pytest.approx(100)
    assert clock.error_ns == 7
    assert [clock.to_reference(at) for at in (500, 500_550, 1_000_600)] == [0, 500_000, 1_000_000]
    for reference in range(0, 1_000_000, 7_919):
        there = reference + 500 + 100 * reference // 1_000_000
        assert abs(clock.to_reference(there) - reference) <= 1


def test_one_moment_is_a_constant_offset():
    clock = NodeClock(Offset(0, 500, 3))
    assert (clock.to_reference(1_500), clock.drift_ppm, clock.error_ns) == (1_000, None, 3)


def test_readings_stay_exact_in_large_numbers():
    clock = NodeClock(Offset(0, 2**62 + 1, 0))
    assert clock.to_reference(2**62 + 4) == 3


def test_node_is_measured_and_its_error_holds():
    node = SkewedNode(123_456_789_000)
    found = measure(node, exchanges=20)
    assert node.asked == 20
    assert abs(found.offset_ns - node.offset_ns) <= found.error_ns


def test_node_on_this_clock_is_not_asked():
    node = SkewedNode(5, host_clock=True)
    found = measure(node)
    assert (found.offset_ns, found.error_ns, node.asked) == (0, 0, 0)


def test_all_nodes_in_their_order():
    nodes = {"a": SkewedNode(10**9), "b": SkewedNode(0, host_clock=True), "c": SkewedNode(-(10**9))}
    found = measure_all(nodes, exchanges=5)
    assert list(found) == ["a", "b", "c"]
    for name, offset in found.items():
        assert abs(offset.offset_ns - nodes[name].offset_ns * (not nodes[name].host_clock)) <= offset.error_ns


def test_a_node_that_is_gone_keeps_its_first_offset():
    clocks = pair({"a": Offset(0, 1, 1), "b": Offset(0, 2, 1)}, {"a": Offset(9, 3, 1)})
    assert clocks["a"].after == Offset(9, 3, 1)
    assert clocks["b"].after is None
