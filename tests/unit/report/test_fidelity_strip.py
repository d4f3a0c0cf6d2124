"""The strip of disturbances below the latency over time."""

from dataclasses import replace
from pathlib import Path

from continuum import report
from continuum.model.fidelity import Disturbance, During, Fidelity, Reading
from continuum.model.result import Result
from continuum.report import fidelity_strip
from tests.fake_runs import SCENARIOS, write_run

DURING = During(
    seconds=2.0,
    tolerated_stall_ms=200.0,
    tolerated_foreign_cpu_percent=5.0,
    readings=(
        Reading(0.5, 0.1, 1.0, 0.0),
        Reading(1.0, 300.0, 40.0, 0.0),
        Reading(1.5, None, None, 6.0),
    ),
    disturbances=(
        Disturbance(0.8, "engine_stalled", "the network engine (fabric) stalled"),
        Disturbance(1.2, "engine_dead", "the network engine (fabric) has died"),
    ),
)


def states(during: During) -> dict[str, list[bool | None]]:
    return {name: [state(one) for one in during.readings] for name, state in fidelity_strip.rows(during)}


def test_a_reading_is_judged_by_the_thresholds_of_the_run() -> None:
    assert states(DURING) == {
        "network engine": [True, False, False],
        "CPU by others": [True, False, None],
        "CPU stolen": [True, True, False],
    }


def test_sources_without_values_have_no_row() -> None:
    readings = tuple(replace(one, engine_delay_ms=None, foreign_cpu_percent=None) for one in DURING.readings)
    assert list(states(replace(DURING, readings=readings, disturbances=()))) == ["CPU stolen"]


def test_the_page_shows_the_strip_and_names_the_disturbances(tmp_path: Path) -> None:
    folder = write_run(tmp_path, SCENARIOS["short"])
    replace(Result.load(folder), fidelity=Fidelity(DURING)).save(folder)
    page = report.write(folder).html.read_text(encoding="utf-8")
    for text in ("network engine", "CPU by others", "engine died", "engine stalled"):
        assert f"{text}</text>" in page


def test_runs_without_it_have_the_plot_as_before(tmp_path: Path) -> None:
    folder = write_run(tmp_path, SCENARIOS["short"])
    assert Result.load(folder).fidelity == Fidelity()
    page = report.write(folder).html.read_text(encoding="utf-8")
    assert "Latency over time" in page
    assert "CPU by others" not in page
