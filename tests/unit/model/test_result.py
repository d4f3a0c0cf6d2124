"""``result.json`` holds what the design promises and comes back as it was."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

import continuum
from continuum.errors import UsageError
from continuum.measure import samples
from continuum.model import sample_table
from continuum.model.fidelity import Disturbance, During, Fidelity, LinkTraffic, NodeStrain, Reading
from continuum.model.phase import Phase
from continuum.model.result import Result
from continuum.model.summary import Summary
from tests.fake_runs import SCENARIOS, make_result, make_trace, write_bare, write_run

PROMISED = {"schema", "run_id", "valid", "invalid_reasons", "config", "versions", "host", "phases", "nodes"}
SUMMARY = {"count", "mean", "ci95", "p50", "p90", "p95", "p99", "p999", "max"}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"), SCENARIOS["short"])


def test_fields_of_the_schema(run_dir):
    data = json.loads((run_dir / "result.json").read_text())
    assert set(data) >= {*PROMISED, "network", "benchmark"}
    assert data["schema"] == 1
    assert set(data["phases"][0]) >= {"name", "status", "seconds"}
    assert set(data["nodes"][0]) >= {"name", "tier", "cores", "memory_mb", "cpu_percent", "memory_peak_mb"}
    assert set(data["network"][0]) >= {"src", "dst", "configured", "measured", "ok"}
    bench = data["benchmark"]
    assert set(bench["requests"]) == {"sent", "completed", "lost", "failed", "warmup"}
    assert set(bench) >= {"throughput_per_s", "accuracy", "system_load_percent", "stages_ms"}
    assert set(bench["end_to_end_ms"]) >= SUMMARY
    assert all(set(summary) >= SUMMARY for summary in bench["stages_ms"].values())


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_comes_back_as_it_was(tmp_path, name):
    made = make_result(SCENARIOS[name], make_trace(SCENARIOS[name]))
    made.save(tmp_path)
    assert Result.load(tmp_path) == made
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_no_number_is_written_as_nan(tmp_path):
    made = replace(
        make_result(SCENARIOS["short"], make_trace(SCENARIOS["short"])),
        host={"load": float("nan"), "limit": float("inf"), "where": tmp_path},
    )
    made.save(tmp_path)
    host = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)["host"]
    assert host == {"load": None, "limit": None, "where": str(tmp_path)}


def test_fields_of_a_later_version_are_ignored_and_missing_ones_filled_in():
    found = Result.from_json(
        {"schema": 1, "run_id": "r", "colour": 1, "benchmark": {"application": "a", "mood": 2}, "nodes": []}
    )
    assert found.benchmark
    assert found.benchmark.end_to_end_ms == Summary()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 2, "run_id": "r"}',
        '{"schema": 1}',
        '{"schema": 1, "run_id": "r", "nodes": [{}]}',
        '{"schema": 1, "run_id": "r", "repeat": null}',
        '{"schema": 1, "run_id": "r", "repeat": {"number": "second"}}',
        '{"schema": 1, "run_id": "r", "benchmark": {"end_to_end_ms": {"intervals": {"p50": [1]}}}}',
    ],
)
def test_file_that_is_no_result(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UsageError, match=r"result\.json: cannot be read"):
        Result.load(tmp_path)


def test_folder_without_result(tmp_path):
    with pytest.raises(UsageError, match="finished run"):
        continuum.load(tmp_path)


def test_validity():
    assert Result("r").valid
    assert not Result("r", invalid_reasons=("x",)).valid
    failed = Result("r", phases=(Phase("check", "ok"), Phase("shape", "failed", error="x")))
    assert not failed.valid
    assert failed.failed_phase
    assert failed.failed_phase.name == "shape"


def test_samples_hold_every_request_to_the_nanosecond(run_dir):
    found = make_trace(SCENARIOS["short"])
    with (run_dir / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [request.id for request in found.requests]
    for row, request in zip(rows, found.requests, strict=True):
        assert int(row["due_ns"]) == (request.due_ns or 0) - (found.start_ns or 0)
        for stage in found.stages:
            assert _ns(row[f"{stage}_ms"]) == request.spans_ns[stage]
        assert _ns(row["end_to_end_ms"]) == sum(_ns(row[f"{stage}_ms"]) for stage in found.stages)


def _ns(milliseconds: str) -> int:
    whole, rest = milliseconds.split(".")
    return int(whole + rest)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.000000"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (-1_500_000, "-1.500000"),
        (10**15, "1000000000.000000"),
    ],
)
def test_milliseconds_are_exact(nanoseconds, text):
    assert samples.milliseconds(nanoseconds) == text


def test_samples_are_typed(tmp_path):
    directory = write_run(tmp_path, SCENARIOS["died"])
    rows = sample_table.read(directory / "samples.csv")
    lost = next(row for row in rows if row["outcome"] == "lost")
    done = next(row for row in rows if row["outcome"] == "completed")
    assert (lost["end_to_end_ms"], lost["correct"], lost["worker"], lost["reached"]) == (
        None,
        None,
        "",
        "uplink",
    )
    assert isinstance(done["correct"], bool)
    assert isinstance(done["queue_depth"], int)
    assert done["warmup"] is True
    assert len(continuum.load(directory).samples()) == len(rows)


def test_run_without_samples(tmp_path):
    with pytest.raises(UsageError, match=r"has no samples\.csv"):
        continuum.load(write_bare(tmp_path, "bare")).samples()


def test_what_was_observed_during_the_load_comes_back(tmp_path):
    during = During(
        seconds=3.5,
        engine_checks=14,
        longest_stall_ms=0.4,
        links=(LinkTraffic("edge", "cloud", 100, 1, 2),),
        nodes=(NodeStrain("edge0", 0.25, 0), NodeStrain("edge1")),
        readings=(Reading(0.5, 0.4, 1.5, 0.0, 2, 3.0), Reading(1.0)),
        disturbances=(Disturbance(1.25, "steal", "the hypervisor took 8 %"),),
        unwatched=("CPU time of others",),
    )
    made = Result("20260102-030405-x", fidelity=Fidelity(during))
    made.save(tmp_path)
    assert Result.load(tmp_path).fidelity == made.fidelity
    assert json.loads((tmp_path / "result.json").read_text())["fidelity"]["during"]["engine_checks"] == 14
    assert Result.from_json({"schema": 1, "run_id": "old"}).fidelity == Fidelity()
