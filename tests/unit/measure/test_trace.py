"""Events become spans that add up, whatever is missing, late or twice."""

from __future__ import annotations

import random

import pytest

from continuum.measure import trace
from continuum.measure.clock import NodeClock, Offset
from continuum.model.events import Event, parse, read
from tests.fake_runs import SCENARIOS, STAGES, events, make_trace

PATH = ("due", *STAGES, "done")
NODES = ("endpoint0", "endpoint0", "endpoint0", "edge0", "edge0", "edge0", "endpoint0")
CLOCK = (100, 130, 330, 1_030, 1_530, 4_530, 5_030)


def request(ident: str = "r", **changes: int | None) -> list[Event]:
    """One whole request; ``stage=clock`` moves an event, ``stage=None`` takes it out."""
    made = []
    for stage, node, clock in zip(PATH, NODES, CLOCK, strict=True):
        at_ns = changes.get(stage, clock)
        if at_ns is not None:
            made.append(Event(ident, stage, node, at_ns))
    return made


def only(found: trace.Trace) -> trace.Request:
    assert len(found.requests) == 1
    return found.requests[0]


def test_spans_of_a_whole_request():
    row = only(trace.build(request(), STAGES))
    assert row.spans_ns == {
        "preprocess": 200,
        "uplink": 700,
        "queue": 500,
        "process": 3_000,
        "downlink": 500,
        "other": 30,
    }
    assert (row.outcome, row.end_to_end_ns, row.lateness_ns) == ("completed", 4_930, 30)
    assert (row.node, row.worker, row.due_ns, row.reached) == ("endpoint0", "edge0", 100, "done")


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_spans_add_up_to_the_nanosecond(name):
    found = make_trace(SCENARIOS[name])
    assert found.requests
    for row in found.requests:
        assert (row.end_to_end_ns is not None) == (row.outcome == "completed")
        if row.outcome == "completed":
            assert sum(row.spans_ns.values()) == row.end_to_end_ns
            assert set(row.spans_ns) == {*STAGES, "other"}


def test_order_of_events_does_not_matter():
    made = list(events(SCENARIOS["busy"]))
    shuffled = random.Random(3).sample(made, len(made))
    assert trace.build(shuffled, STAGES) == trace.build(made, STAGES)


def test_every_request_ends_in_exactly_one_way():
    made = list(events(SCENARIOS["died"]))
    found = trace.build(made, STAGES)
    assert len(found.requests) == len({event.request for event in made})
    ended = {outcome: len(found.measured(outcome)) for outcome in ("completed", "lost", "failed")}
    assert sum(ended.values()) == len(found.measured())
    assert ended["completed"] > 0
    assert ended["lost"] > 0


def test_duplicate_counts_and_the_earliest_stands():
    twice = [*request(), Event("r", "done", "endpoint0", 9_999), Event("r", "queue", "edge0", 1_020)]
    found = trace.build(twice, STAGES)
    assert found.counters.duplicates == 2
    assert only(found).end_to_end_ns == 4_930
    assert only(found).spans_ns["uplink"] == 690


def test_events_of_a_crashed_worker_are_missing():
    found = trace.build(request(queue=None, process=None, downlink=None), STAGES)
    row = only(found)
    assert row.outcome == "completed"
    assert row.spans_ns == {"preprocess": 200, "other": 4_730}
    assert found.counters.missing_events == 1


def test_one_missing_event_leaves_the_other_spans_alone():
    row = only(trace.build(request(process=None), STAGES))
    assert row.spans_ns == {"preprocess": 200, "uplink": 700, "downlink": 500, "other": 3_530}


def test_without_an_answer_a_request_is_lost_and_keeps_what_is_known():
    row = only(trace.build(request(process=None, downlink=None, done=None), STAGES))
    assert (row.outcome, row.end_to_end_ns, row.reached) == ("lost", None, "queue")
    assert row.spans_ns == {"preprocess": 200, "uplink": 700}
    assert row.worker == "edge0"


@pytest.mark.parametrize("outcome", ["lost", "failed"])
def test_an_answer_after_giving_up_changes_nothing(outcome):
    found = trace.build([*request(), Event("r", outcome, "endpoint0", 4_000)], STAGES)
    assert only(found).outcome == outcome
    assert only(found).end_to_end_ns is None
    assert found.counters.late_answers == 1


def test_without_an_intended_time_a_request_is_failed_and_counted():
    found = trace.build(request(due=None), STAGES)
    assert (only(found).outcome, only(found).due_ns) == ("failed", None)
    assert found.counters.without_due == 1


def test_unknown_stage_and_unreadable_line_are_counted():
    lines = [
        '{"r": "r", "s": "nap", "n": "edge0", "t": 5}',
        '{"r": "r", "s": "du',
        '{"r": 1, "s": "due", "t": "x"}',
    ]
    found = trace.build([*request(), *parse(lines, "edge0")], STAGES)
    assert (found.counters.unknown_stages, found.counters.unreadable, found.counters.events) == (1, 2, 10)
    assert only(found).end_to_end_ns == 4_930


def test_warmup_is_kept_apart():
    warm = [Event("w", "due", "endpoint0", 1, {"warmup": True}), *request("w", due=None), *request()]
    found = trace.build(warm, STAGES)
    assert [row.id for row in found.requests] == ["w", "r"]
    assert [row.id for row in found.measured()] == ["r"]
    assert found.start_ns == 1


def test_answer_comes_from_the_events_detail():
    detail = {"worker": "edge7", "label": "5", "confidence": 0.75, "correct": False}
    made = [*request(done=None), Event("r", "done", "endpoint0", 5_030, detail)]
    row = only(trace.build(made, STAGES))
    assert (row.worker, row.label, row.confidence, row.correct) == ("edge7", "5", 0.75, False)


def test_detail_of_the_wrong_kind_is_no_answer():
    detail = {"confidence": float("nan"), "correct": "yes", "queue_depth": True}
    row = only(trace.build([*request(done=None), Event("r", "done", "endpoint0", 5_030, detail)], STAGES))
    assert (row.confidence, row.correct, row.queue_depth) == (None, None, None)


def test_foreign_clock_is_brought_to_the_reference():
    offset_ns = 7_000_000_123
    ahead = [
        Event(event.request, event.stage, event.node, event.clock_ns + offset_ns * (event.node == "edge0"))
        for event in request()
    ]
    found = trace.build(ahead, STAGES, {"edge0": NodeClock(Offset(0, offset_ns, 50))})
    assert only(found).spans_ns == only(trace.build(request(), STAGES)).spans_ns
    assert found.clock_error_ns == {
        "preprocess": 0,
        "uplink": 50,
        "queue": 0,
        "process": 0,
        "downlink": 50,
        "other": 0,
    }


def test_negative_span_is_kept_and_judged_by_the_clocks_error():
    clocks = {"edge0": NodeClock(Offset(0, 0, 40))}
    within = trace.build(request(queue=300), STAGES, clocks)
    assert only(within).spans_ns["uplink"] == -30
    assert sum(only(within).spans_ns.values()) == only(within).end_to_end_ns
    assert (within.counters.negative_spans, within.counters.impossible_spans) == (1, 0)
    beyond = trace.build(request(queue=200), STAGES, clocks)
    assert (beyond.counters.negative_spans, beyond.counters.impossible_spans) == (1, 1)


def test_a_stage_may_not_take_a_fixed_name():
    with pytest.raises(ValueError, match="different"):
        trace.build([], ("preprocess", "other"))


def test_nothing_is_an_empty_trace():
    found = trace.build([], STAGES)
    assert (found.requests, found.start_ns, found.measured()) == ((), None, ())


def test_events_are_read_from_every_workloads_folder(tmp_path):
    for node in ("edge0", "endpoint0"):
        folder = tmp_path / node / "video-0"
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_text(
            '{"r": "a", "s": "queue", "t": 12, "d": {"queue_depth": 3}}\n\n{"r"'
        )
    found = list(read(tmp_path))
    assert [(event.node, event.stage) for event in found] == [
        ("edge0", "queue"),
        ("edge0", "unreadable"),
        ("endpoint0", "queue"),
        ("endpoint0", "unreadable"),
    ]
    assert found[0].detail == {"queue_depth": 3}


def test_requests_that_their_sender_held_back_are_counted_and_stay_whole():
    found = trace.build([*request("r1"), Event("r1", "held", "endpoint0", 400), *request("r2")], STAGES)
    assert found.counters.held == 1
    assert found.counters.unknown_stages == 0
    plain = trace.build(request("r1"), STAGES)
    assert found.requests[0].spans_ns == plain.requests[0].spans_ns
