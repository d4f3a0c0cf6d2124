"""A rate that was not reached is reported with the processors that were busy."""

import pytest

from continuum.model.topology import Link
from continuum.network.verification import node_agent, verify
from continuum.network.verification.case import Case
from continuum.network.verification.judge import rate_problems
from continuum.options.tolerance import Tolerance


def case(mbit: float, busy: dict[str, float]) -> Case:
    there, back = (Link(a, b, bandwidth_mbit=500) for a, b in (("cloud", "edge"), ("edge", "cloud")))
    return Case(there, back, "cloud0", "edge0", same_clock=False, throughput_mbit=mbit, busy=busy)


def test_busy_processors_are_named() -> None:
    found = rate_problems(case(60, {"cloud0": 0.97, "edge0": 0.4, "this host": 1.0}), Tolerance())
    assert found == [
        (
            "throughput 60.00 Mbit/s instead of 500.00 (allowed: 25.00);"
            " busy processors: cloud0 97%, this host 100%"
        )
    ]


def test_idle_processors_are_not() -> None:
    assert rate_problems(case(60, {"cloud0": 0.5}), Tolerance()) == [
        "throughput 60.00 Mbit/s instead of 500.00 (allowed: 25.00)"
    ]
    assert rate_problems(case(490, {"cloud0": 1.0}), Tolerance()) == []


def test_the_busiest_processor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_agent, "processors", lambda: [(10, 200), (95, 200)])
    assert node_agent.busiest([(0, 100), (5, 100)]) == pytest.approx(0.9)


def test_processors_of_this_host_are_read() -> None:
    for work, total in node_agent.processors():
        assert 0 <= work <= total


def test_a_benchmark_of_the_network_measures_longer_than_the_check() -> None:
    for name in ("probing_s", "most_probes", "train_s", "flow_s"):
        assert getattr(verify.BENCHMARK, name) >= 4 * getattr(verify.CHECK, name)
