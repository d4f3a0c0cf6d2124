"""Lives of instances: marks of several sources and clocks become times since creation."""

from dataclasses import replace
from pathlib import Path

import pytest

from continuum.measure import instances, lifecycle
from continuum.measure.clock import NodeClock, Offset
from continuum.model.marks import Mark
from continuum.model.result import Result
from continuum.report import html, instance_timeline, setup_tables

MS = 1_000_000


def marks(name: str, **at_ms: float) -> list[Mark]:
    return [Mark(name, stage, round(ms * MS), node="cloud0") for stage, ms in at_ms.items()]


def test_times_count_from_each_instances_own_creation() -> None:
    built = lifecycle.build([
        *marks("b", created=110, started=150, ready=160),
        *marks("a", created=100, started=120, ready=190, finished=300),
    ])  # fmt: skip
    assert [life.instance for life in built] == ["a", "b"]
    summed = lifecycle.summarise(built)
    assert summed is not None
    assert summed.stages == ("created", "started", "ready", "finished")
    assert summed.reached == {"created": 2, "started": 2, "ready": 2, "finished": 1}
    assert (summed.since_created_ms["started"].p50, summed.since_created_ms["started"].max) == (30, 40)
    assert summed.since_created_ms["ready"].max == 90
    assert summed.step_ms["ready"].max == 70
    assert summed.step_ms["finished"].count == 1
    assert summed.all_ms == {"created": 10, "started": 50, "ready": 90, "finished": 200}
    assert summed.since_created_ms["started"].p99 is None  # two instances cannot tell


def test_a_step_begins_at_the_stage_before_that_is_known() -> None:
    (life,) = lifecycle.build(marks("a", created=1, image=5, ready=9))
    assert lifecycle.steps(life) == {"image": ("created", 4 * MS), "ready": ("image", 4 * MS)}


def test_the_most_exact_mark_counts_and_then_the_earliest() -> None:
    (life,) = lifecycle.build([
        Mark("a", "started", 500 * MS, error_ns=500 * MS),
        Mark("a", "started", 720 * MS),
        Mark("a", "started", 710 * MS),
        Mark("a", "started", 100 * MS, error_ns=500 * MS),
    ])  # fmt: skip
    assert (life.at_ns, life.error_ns) == ({"started": 710 * MS}, {"started": 0})


def test_a_coarse_time_is_narrowed_by_the_exact_ones_beside_it() -> None:
    """Told to the second: created within the first; but it was scheduled at 0.4 s already."""
    (life,) = lifecycle.build([
        Mark("a", "created", 500 * MS, error_ns=500 * MS),
        Mark("a", "scheduled", 400 * MS),
        Mark("a", "started", 500 * MS, error_ns=500 * MS),
        Mark("a", "ready", 700 * MS, error_ns=10 * MS),
    ])  # fmt: skip
    assert {stage: (at // MS, life.error_ns[stage] // MS) for stage, at in life.at_ns.items()} == {
        "created": (200, 200),
        "scheduled": (400, 0),
        "started": (555, 155),
        "ready": (700, 10),
    }


def test_times_that_contradict_each_other_stand_as_told() -> None:
    (life,) = lifecycle.build([Mark("a", "started", 500 * MS), Mark("a", "ready", 400 * MS)])
    assert life.at_ns == {"started": 500 * MS, "ready": 400 * MS}


def test_clocks_of_nodes_are_brought_to_one() -> None:
    clock = NodeClock(Offset(at_ns=0, offset_ns=5000 * MS, error_ns=2 * MS))
    marked = [
        Mark("a", "created", 100 * MS),
        Mark("a", "ready", 5130 * MS, clock="cloud0", node="cloud0", error_ns=MS),
    ]
    (life,) = lifecycle.build(marked, {"cloud0": clock})
    assert life.at_ns == {"created": 100 * MS, "ready": 130 * MS}
    summed = lifecycle.summarise([life])
    assert summed is not None
    assert summed.since_created_ms["ready"].mean == 30
    assert summed.since_created_ms["ready"].clock_error == 3


def test_a_stage_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown stage 'born'"):
        lifecycle.build([Mark("a", "born", 1)])


def test_without_instances_there_is_nothing_to_tell() -> None:
    assert lifecycle.build([]) == ()
    assert lifecycle.summarise([]) is None


def test_a_life_is_the_same_after_a_way_through_files(tmp_path: Path) -> None:
    built = lifecycle.build([*marks("a", created=1, started=2.5), *marks("b", created=3, finished=9)])
    rows = instances.read(instances.write(tmp_path / "instances.csv", built))
    assert [(row["instance"], row["created_ms"], row["started_ms"], row["finished_ms"]) for row in rows] == [
        ("a", 0.0, 1.5, None),
        ("b", 2.0, None, 8.0),
    ]
    assert instance_timeline.segments(rows[0]) == [("started", 0.0, 1.5)]
    assert instance_timeline.segments(rows[1]) == [("finished", 2.0, 8.0)]
    result = Result("run", lifecycle=lifecycle.summarise(built))
    assert Result.from_json(result.to_json()).lifecycle == result.lifecycle


def test_the_table_has_a_row_for_every_stage_after_creation() -> None:
    summed = lifecycle.summarise(lifecycle.build(marks("a", created=1, started=3, ready=4)))
    assert summed is not None
    table = setup_tables.instances(summed)
    assert [row.cells[0] for row in table.rows] == ["started", "ready"]
    assert table.rows[1].cells[1] == "1 of 1"
    assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_instances_on_simulated_nodes_are_in_no_other_number() -> None:
    fake = [replace(mark, simulated=True) for mark in marks("kwok-0/a", created=1, started=9)]
    real, simulated = lifecycle.build([*marks("cloud1/a", created=0, started=2), *fake])
    assert (real.simulated, simulated.simulated) == (False, True)
    result = Result("run", lifecycle=lifecycle.summarise([real]), simulated=lifecycle.summarise([simulated]))
    again = Result.from_json(result.to_json())
    assert again.lifecycle is not None
    assert again.simulated is not None
    assert (again.lifecycle.instances, again.simulated.instances) == (1, 1)
    assert again.simulated.since_created_ms["started"].max == 8
    page = html.render(result, {})
    assert "Instances: time since creation" in page
    assert "Instances on simulated nodes: time since creation" in page
