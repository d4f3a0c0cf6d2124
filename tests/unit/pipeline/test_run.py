"""The pipeline from config to report on nodes that are mere folders: no root, real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, ClassVar

import pytest

from continuum.config import loader as config
from continuum.connection.deployment import Deployment
from continuum.errors import BenchmarkError, DeployError, ProvisionError
from continuum.model.config import Config
from continuum.model.events import Event, read
from continuum.model.phase import PHASES
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.pipeline import open_run, teardown
from continuum.pipeline import run as pipeline
from continuum.pipeline.progress import Progress
from continuum.pipeline.steps import Modules
from continuum.rundir import index, run_lock
from continuum.rundir import run as rundir
from continuum.rundir.run import Run
from continuum.testing.fake_provider import FOLDER, FakeProvider
from resource_manager.none.manager import NoManager

TEXT = """
[infrastructure]
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 1
base_path = {folder}
[benchmark]
application = video
[run]
{run}
"""
CLIENT = """
import time
from continuum.sdk import session as workload

with workload.join() as session:
    session.ready()
    start_ns = session.wait_go(30)
    for number in range(3):
        due_ns = start_ns + number * 1_000_000
        request = f"{session.identity.node}-{number}"
        session.record(request, "due", due_ns, warmup=number == 0)
        session.record(request, "work", due_ns + 1_000)
        session.record(request, "done", due_ns + 501_000, worker=session.identity.node)
"""


class Steps(Application):
    """Every endpoint records three requests of half a millisecond; the programs can be replaced."""

    summary: ClassVar[str] = "for tests"
    stages: ClassVar[tuple[str, ...]] = ("work",)

    def __init__(self, folder: Path, program: str = CLIENT) -> None:
        self._program = folder / "client.py"
        self._program.write_text(program, encoding="utf-8")

    def workloads(self, config: Config, topology: Topology) -> tuple[Workload, ...]:
        return (
            Workload("client", "endpoint", ("{python}", "client.py"), files={"client.py": self._program}),
        )

    def duration_s(self, config: Config) -> float:
        return 0.1

    def servers(self, config: Config, topology: Topology) -> int:
        return 1

    def events(self, raw: Path) -> Iterator[Event]:
        yield from read(raw)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A provider of folders in place of the one the config names."""
    made = FakeProvider()
    monkeypatch.setattr(registry, "provider", lambda name: made)
    return made


def _run(
    folder: Path,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    *,
    program: str = CLIENT,
    run: str = "",
    keep: str | None = None,
    verify: bool = False,
) -> pipeline.Outcome:
    if not verify:
        monkeypatch.setattr("continuum.pipeline.steps.verify", lambda *_: ())
    modules = Modules(provider, NoManager(), Steps(folder, program))
    monkeypatch.setattr(pipeline, "load_modules", lambda config: modules)
    parsed = config.parse(TEXT.format(folder=folder, run=run))
    return pipeline.run(parsed, Progress(), keep=keep)


def _statuses(outcome: pipeline.Outcome) -> dict[str, str]:
    assert outcome.result is not None
    return {phase.name: phase.status for phase in outcome.result.phases}


def test_a_run_goes_through_all_phases(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = _run(tmp_path, provider, monkeypatch, verify=True)
    assert outcome.error is None
    assert _statuses(outcome) == dict.fromkeys(PHASES, "ok")
    assert outcome.result is not None
    assert outcome.result.valid
    benchmark = outcome.result.benchmark
    assert benchmark is not None
    assert (benchmark.requests.sent, benchmark.requests.completed, benchmark.requests.warmup) == (4, 4, 2)
    assert benchmark.end_to_end_ms.max == pytest.approx(0.501)
    assert benchmark.stages_ms["work"].mean == pytest.approx(0.5)
    directory = outcome.result.directory
    assert directory is not None
    assert not (directory / FOLDER).exists()
    assert json.loads((directory / "state.json").read_text())["status"] == "done"
    saved = json.loads((directory / "result.json").read_text())
    assert {phase["name"]: phase["status"] for phase in saved["phases"]}["teardown"] == "ok"


@pytest.mark.parametrize(
    ("broken", "phase", "status"),
    [("create", "provision", 4), ("enforce", "shape", 4), ("connect", "provision", 4)],
)
def test_a_provider_that_fails_is_torn_down(
    tmp_path: Path,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    phase: str,
    status: int,
) -> None:
    def fail(*_: Any) -> None:
        raise ProvisionError("no more nodes")

    monkeypatch.setattr(provider, broken, fail)
    outcome = _run(tmp_path, provider, monkeypatch)
    assert outcome.error is not None
    assert outcome.error.exit_status == status
    statuses = _statuses(outcome)
    assert statuses[phase] == "failed"
    assert statuses["benchmark"] == "not_run"
    assert statuses["teardown"] == "ok"
    assert not list(tmp_path.glob(f"runs/*/{FOLDER}"))


def test_a_mistake_of_ours_is_torn_down_too(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(deployment: Deployment) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(provider, "enforce", fail)
    outcome = _run(tmp_path, provider, monkeypatch)
    assert outcome.error is not None
    assert outcome.error.exit_status == 1
    assert "internal error" in str(outcome.error)
    assert not list(tmp_path.glob(f"runs/*/{FOLDER}"))
    assert "Traceback" in next(tmp_path.glob("runs/*/logs/shape.log")).read_text()


def test_a_workload_that_does_not_start_says_its_last_words(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = _run(tmp_path, provider, monkeypatch, program="raise SystemExit('no camera')")
    assert isinstance(outcome.error, DeployError)
    assert "no camera" in str(outcome.error)
    assert "client-0 on endpoint" in str(outcome.error)


@pytest.mark.slow
def test_a_workload_that_fails_makes_the_run_invalid(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = CLIENT + "raise SystemExit(9 if session.identity.node == 'endpoint1' else 0)\n"
    outcome = _run(tmp_path, provider, monkeypatch, program=program)
    assert outcome.error is not None
    assert outcome.error.exit_status == 7
    assert outcome.result is not None
    assert outcome.result.invalid_reasons == ("client-0 on endpoint1 ended with status 9",)


@pytest.mark.slow
def test_a_benchmark_that_hangs_ends_at_its_deadline(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = CLIENT.replace(
        "    for number", "    while session.identity.node == 'endpoint1': time.sleep(1)\n    for number"
    )
    outcome = _run(tmp_path, provider, monkeypatch, program=program, run="timeout = 1 s")
    assert outcome.result is not None
    assert any("did not end in time" in reason for reason in outcome.result.invalid_reasons)
    assert outcome.result.benchmark is not None
    assert outcome.result.benchmark.requests.completed == 2


def test_a_benchmark_that_leaves_nothing_has_failed(
    tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "\n".join(line for line in CLIENT.splitlines() if "record" not in line)
    outcome = _run(tmp_path, provider, monkeypatch, program=program)
    assert isinstance(outcome.error, BenchmarkError)


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "program", "kept"), [
    ("always", CLIENT, True),
    ("never", "raise SystemExit(1)", False),
    ("on-failure", CLIENT, False),
    ("on-failure", "raise SystemExit(1)", True),
])  # fmt: skip
def test_nodes_are_kept_only_when_asked_for(
    tmp_path: Path,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    keep: str,
    program: str,
    kept: bool,
) -> None:
    outcome = _run(tmp_path, provider, monkeypatch, program=program, keep=keep)
    assert outcome.result is not None
    assert outcome.result.directory is not None
    run = open_run.load(outcome.result.directory)
    assert bool(list(tmp_path.glob(f"runs/*/{FOLDER}"))) == kept
    assert (run.state()["status"] == "up") == kept
    run.lock()
    teardown.destroy(run)
    assert not list(tmp_path.glob(f"runs/*/{FOLDER}"))


def test_a_run_in_use_is_not_touched(tmp_path: Path) -> None:
    from continuum.errors import UsageError

    parsed = config.parse(TEXT.format(folder=tmp_path, run=""))
    first = rundir.create(parsed)
    assert run_lock.is_held(first.directory)
    with pytest.raises(UsageError, match="in use by process"):
        Run(first.directory).lock()
    first.unlock()
    Run(first.directory).lock()


def test_runs_of_one_second_have_ids_of_their_own(tmp_path: Path) -> None:
    parsed = config.parse(TEXT.format(folder=tmp_path, run="name = twin"))
    ids = {rundir.create(parsed).id for _ in range(4)}
    assert len(ids) == 4
    assert set(dict(rundir.all_runs())) == ids
    with pytest.raises(rundir.UsageError, match="it could be"):
        rundir.find("twin")


def test_an_id_is_taken_for_all_state_folders_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundir, "datetime", Standing)
    made = []
    for number in range(2):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state{number}"))
        parsed = config.parse(TEXT.format(folder=tmp_path / str(number), run="name = twin"))
        made.append(rundir.create(parsed))
    assert [run.id for run in made] == ["20240229-120000-twin", "20240229-120000-twin-2"]
    first, ident = made.pop(0), "20240229-120000-twin"
    assert index.claim_on_host(ident) is None
    del first
    assert index.claim_on_host(ident) is not None, "ids are taken for ever"


class Standing(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Standing:
        return cls(2024, 2, 29, 12, tzinfo=tz)


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    parsed = config.parse(TEXT.format(folder=tmp_path / "file", run=""))
    with pytest.raises(rundir.HostError, match=r"file/runs: cannot write the run there .* set base_path"):
        rundir.create(parsed)
