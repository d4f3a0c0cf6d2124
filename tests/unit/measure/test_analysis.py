"""Rates, load and what makes a run invalid."""

from __future__ import annotations

import pytest

from continuum.measure import analysis, trace
from continuum.model.events import Event
from continuum.model.phase import Phase
from continuum.model.result import LinkFidelity, NodeUse
from tests.fake_runs import SCENARIOS, STAGES, make_result, make_trace

MS = 1_000_000


def regular(
    count: int, interval_ms: int = 200, work_ms: int = 50, answered: int | None = None
) -> trace.Trace:
    """Requests of one endpoint at equal intervals, each processed for the same time; the rest is nothing."""
    made = []
    for number in range(count):
        due = number * interval_ms * MS
        path = [(stage, due) for stage in ("due", *STAGES[:4])] + [("downlink", due + work_ms * MS)]
        for stage, at_ns in path:
            made.append(Event(f"r{number:05}", stage, "endpoint0", at_ns))
        if answered is None or number < answered:
            made.append(
                Event(f"r{number:05}", "done", "endpoint0", due + work_ms * MS, {"correct": number % 4 > 0})
            )
    return trace.build(made, STAGES)


def test_figures_of_a_regular_run():
    found = analysis.benchmark(regular(40), application="video", capacity=1, processing="process")
    assert found.offered_per_s == pytest.approx(5)
    assert found.throughput_per_s == pytest.approx(5)
    assert found.schedule_s == pytest.approx(8)
    assert found.system_load_percent == pytest.approx(25)
    assert found.accuracy == 0.75
    assert found.stages_ms["process"].mean == pytest.approx(50)
    assert found.end_to_end_ms.p999 is None


def test_two_servers_carry_twice_the_load():
    two = analysis.benchmark(regular(40), application="a", capacity=2, processing="process")
    assert two.system_load_percent == pytest.approx(12.5)
    unknown = analysis.benchmark(regular(40), application="a", processing="process")
    assert unknown.system_load_percent is None


def test_the_load_is_that_of_the_stage_that_the_application_names():
    made = []
    for number in range(40):
        due_ns = number * 200 * MS
        for stage, after_ms in (("due", 0), ("wait", 0), ("compute", 5), ("done", 25)):
            made.append(Event(f"r{number:05}", stage, "endpoint0", due_ns + after_ms * MS))
    spans = trace.build(made, ("wait", "compute"))
    found = analysis.benchmark(spans, application="a", capacity=1, processing="compute")
    assert found.system_load_percent == pytest.approx(10)
    assert analysis.benchmark(spans, application="a", capacity=1).system_load_percent is None


def test_counts_add_up_and_lost_ones_lower_the_throughput():
    found = analysis.benchmark(regular(40, answered=30), application="a", capacity=1)
    requests = found.requests
    assert (requests.sent, requests.completed, requests.lost, requests.failed) == (40, 30, 10, 0)
    assert found.throughput_per_s == pytest.approx(30 / 8)
    assert "25.0 % of requests were lost" in " ".join(analysis.remarks(found))


def test_percentiles_are_over_requests_sent():
    found = analysis.benchmark(regular(100, answered=85), application="a")
    summary = found.end_to_end_ms
    assert (summary.count, summary.p50, summary.p90) == (85, pytest.approx(50), None)
    assert summary.reasons["p90"].startswith("15.0 % of requests were lost or failed")
    assert found.stages_ms["process"].p90 == pytest.approx(50)
    assert "percentiles count them" in " ".join(analysis.remarks(found))


def test_a_mean_without_interval_is_remarked():
    growing = []
    for number in range(100):
        due_ns = number * 200 * MS
        growing.append(Event(f"r{number:05}", "due", "n", due_ns))
        growing.append(Event(f"r{number:05}", "work", "n", due_ns))
        growing.append(Event(f"r{number:05}", "done", "n", due_ns + (5 + 3 * number) * MS))
    found = analysis.benchmark(trace.build(growing, ("work",)), application="a")
    assert found.end_to_end_ms.ci95 is None
    assert "no confidence interval: the samples are correlated" in " ".join(analysis.remarks(found))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_means_of_stages_add_up_to_the_mean_latency(name):
    found = analysis.benchmark(make_trace(SCENARIOS[name]), application="video")
    if found.end_to_end_ms.mean is not None:
        total = sum(summary.mean or 0.0 for summary in found.stages_ms.values())
        assert total == pytest.approx(found.end_to_end_ms.mean, abs=1e-6)
    requests = found.requests
    assert requests.sent == requests.completed + requests.lost + requests.failed
    assert requests.warmup > 0


def test_full_system_is_remarked():
    found = make_result(SCENARIOS["busy"], make_trace(SCENARIOS["busy"]))
    assert ((found.benchmark and found.benchmark.system_load_percent) or 0) > 100
    assert any("queue grows" in note for note in found.notes)


def test_empty_trace_is_invalid_and_has_no_numbers():
    found = analysis.benchmark(trace.build([], STAGES), application="a")
    assert (found.throughput_per_s, found.accuracy, found.end_to_end_ms.mean) == (None, None, None)
    assert analysis.reasons(found) == ("no request was sent after the warm-up",)


def test_one_request_has_no_rate():
    found = analysis.benchmark(regular(1), application="a", capacity=1)
    assert (found.offered_per_s, found.throughput_per_s, found.end_to_end_ms.count) == (None, None, 1)


@pytest.mark.parametrize(
    ("network", "phases", "said"),
    [
        (
            (LinkFidelity("a", "b", ok=False, note="too slow"),),
            (),
            "link a -> b is out of tolerance: too slow",
        ),
        ((LinkFidelity("a", "b", ok=True), LinkFidelity("b", "a")), (), None),
        ((), (Phase("deploy", "failed", error="no room"),), "phase deploy failed: no room"),
        ((), (Phase("deploy", "skipped"), Phase("report")), None),
    ],
)
def test_reasons(network, phases, said):
    assert analysis.reasons(None, network, phases) == ((said,) if said else ())


def test_impossible_spans_make_a_run_invalid():
    made = [Event("r", stage, "n", 100 - place) for place, stage in enumerate(("due", *STAGES, "done"))]
    found = analysis.benchmark(trace.build(made, STAGES), application="a")
    assert any("below zero" in reason for reason in analysis.reasons(found))


def test_killed_processes_are_remarked():
    assert analysis.remarks(None, [NodeUse("edge0", "edge", 1, 64, out_of_memory_kills=2)]) == (
        "edge0 ran out of its 64 MB of memory: 2 processes killed",
    )
