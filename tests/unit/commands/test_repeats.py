"""``repeats`` in ``[run]``: which runs are made, in what order, with which seeds, and how they end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from continuum.commands import repeats, run
from continuum.config import loader
from continuum.errors import InterruptedRunError
from continuum.model.config import Config
from continuum.model.repeat import Repeat, seed_of
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.pipeline import run as pipeline
from continuum.pipeline.progress import Progress
from continuum.pipeline.steps import Modules
from continuum.testing.fake_provider import FakeProvider
from resource_manager.none.manager import NoManager
from tests.unit.pipeline.test_run import TEXT, Steps


def parse(name: str, count: int, seed: int = 0) -> Config:
    return loader.parse(TEXT.format(folder="/tmp", run=f"repeats = {count}\nseed = {seed}"), f"{name}.cfg")


def test_repeats_of_several_configs_take_turns() -> None:
    made = repeats.interleaved([parse("a", 3), parse("b", 1), parse("c", 2)])
    assert [(one.path.stem, one.repeat.number, one.repeat.of) for one in made] == [
        ("a", 1, 3), ("b", 1, 1), ("c", 1, 2), ("a", 2, 3), ("c", 2, 2), ("a", 3, 3),
    ]  # fmt: skip


def test_each_repeat_has_its_own_seed_and_the_first_keeps_the_configs() -> None:
    seeds = [one.run.integer("seed") for one in repeats.repeats_of(parse("a", 50, seed=7))]
    assert seeds[0] == 7
    assert len(set(seeds)) == 50
    assert seeds == [seed_of(7, number) for number in range(1, 51)]
    assert not set(seeds) & {seed_of(8, number) for number in range(1, 51)}


def test_repeats_share_a_group_that_no_other_call_has() -> None:
    config = parse("a", 2)
    groups = [{one.repeat.group for one in repeats.repeats_of(config)} for _ in range(2)]
    assert [len(group) for group in groups] == [1, 1]
    assert groups[0] != groups[1]
    assert repeats.repeats_of(parse("a", 1)) == [parse("a", 1)]
    assert parse("a", 1).repeat == Repeat()


def test_nodes_that_stay_would_disturb_the_following_repeats() -> None:
    text = TEXT.format(folder="/tmp", run="repeats = 2\nkeep = always")
    assert "disturb" in "\n".join(map(str, loader.parse(text).warnings))


class Repeated(Steps):
    """Fails to start in some repeats."""

    def __init__(self, folder: Path, fails: tuple[int, ...]) -> None:
        super().__init__(folder)
        self._fails, self._broken = fails, folder / "broken.py"
        self._broken.write_text("raise SystemExit(3)", encoding="utf-8")

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        program = self._broken if config.repeat.number in self._fails else self._program
        return (Workload("client", "endpoint", ("{python}", "client.py"), files={"client.py": program}),)


@dataclass(frozen=True)
class Ran:
    """What runs of two configs left: their exit status, and what each printed."""

    status: int
    results: list[dict]


@pytest.fixture
def execute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Runs two configs of two repeats each on nodes that are folders; some repeats of both may fail."""
    provider = FakeProvider()
    monkeypatch.setattr(registry, "provider", lambda name: provider)
    monkeypatch.setattr("continuum.pipeline.steps.verify", lambda *_: ())
    monkeypatch.setattr("continuum.pipeline.analyse.report", lambda *_: None)

    def runs(*fails: int, json_wanted: bool = True) -> Ran:
        modules = Modules(provider, NoManager(), Repeated(tmp_path, fails))
        monkeypatch.setattr(pipeline, "load_modules", lambda config: modules)
        paths = [tmp_path / "a.cfg", tmp_path / "b.cfg"]
        for path in paths:
            path.write_text(TEXT.format(folder=tmp_path, run="repeats = 2"), encoding="utf-8")
        options = argparse.Namespace(config=paths, json=json_wanted, quiet=True, keep=None)
        status = run.execute(options)
        printed = capsys.readouterr().out
        return Ran(status, [json.loads(line) for line in printed.splitlines()] if json_wanted else [])

    return runs


@pytest.mark.slow
def test_each_repeat_is_a_run_whose_result_says_which(execute, tmp_path: Path) -> None:
    ran = execute()
    assert ran.status == 0
    assert [one["config"]["file"] for one in ran.results] == ["a.cfg", "b.cfg", "a.cfg", "b.cfg"]
    assert [(one["repeat"]["number"], one["repeat"]["of"]) for one in ran.results] == [
        (1, 2), (1, 2), (2, 2), (2, 2),
    ]  # fmt: skip
    groups = [one["repeat"]["group"] for one in ran.results]
    assert groups[:2] == groups[2:]
    assert len(set(groups)) == 2
    assert [one["seed"] for one in ran.results] == [0, 0, seed_of(0, 2), seed_of(0, 2)]
    saved = sorted(path.parent.name for path in tmp_path.glob("runs/*/result.json"))
    assert saved == sorted(one["run_id"] for one in ran.results)


@pytest.mark.slow
def test_a_repeat_that_fails_sets_the_exit_status_and_the_rest_run(execute) -> None:
    ran = execute(1)
    assert ran.status == 5
    assert [one["valid"] for one in ran.results] == [False, False, True, True]


@pytest.mark.slow
def test_an_impossible_comparison_keeps_the_status_of_the_failure(execute) -> None:
    assert execute(1, 2, json_wanted=False).status == 5


def test_an_interruption_ends_all_repeats(execute, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Config] = []

    def interrupted(config: Config, progress: Progress, **_: object) -> pipeline.Outcome:
        started.append(config)
        return pipeline.Outcome(None, InterruptedRunError("interrupted by SIGINT"))

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert execute().status == 130
    assert len(started) == 1
