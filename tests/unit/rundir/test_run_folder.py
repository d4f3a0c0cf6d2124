"""A run's folder is input: who can write to it, links in it, and copies of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from continuum import cli
from continuum.config import loader
from continuum.errors import HostError, UsageError
from continuum.host import namespaces, pidfd
from continuum.modules import registry
from continuum.pipeline import open_run, teardown
from continuum.rundir import run as runs
from continuum.rundir.run import DAMAGED, Run
from continuum.testing.fake_provider import FOLDER, FakeProvider

TEXT = """
[infrastructure]
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1
infra_only = True
base_path = {folder}
"""


def create(folder: Path) -> Run:
    return runs.create(loader.parse(TEXT.format(folder=folder)))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with a folder of nodes."""
    provider = FakeProvider()
    monkeypatch.setattr(registry, "provider", lambda _name: provider)
    monkeypatch.setattr(registry, "all_modules", lambda: (("provider", "fake", provider),))
    made = create(tmp_path)
    made.own("provider", "fake")
    (made.directory / FOLDER).mkdir()
    made.update_state(status="up", provider="fake")
    made.unlock()
    return made


def test_a_shared_folder_gets_no_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(HostError, match=f"chmod go-w {tmp_path}"):
        create(tmp_path)
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_runs_that_another_user_has_made_gets_no_run(tmp_path: Path) -> None:
    """In a folder for all, such as /tmp, which is sticky."""
    tmp_path.chmod(0o1777)
    (tmp_path / "runs").mkdir()
    os.chown(tmp_path / "runs", 4242, 4242)
    with pytest.raises(HostError, match="belongs to user 4242; set base_path"):
        create(tmp_path)
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("verb", [("destroy",), ("down",), ("report",), ("exec", "cloud0", "--", "true")])
def test_commands_refuse_a_folder_that_others_can_replace(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]
) -> None:
    run.directory.parent.chmod(0o777)
    assert cli.main([verb[0], str(run.directory), *verb[1:]]) == HostError.exit_status
    said = capsys.readouterr().err
    assert f"chmod go-w {run.directory.parent}" in said
    assert (run.directory / FOLDER).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_destroy_refuses_a_run_of_another_user(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    os.chown(run.directory, 4242, 4242)
    assert cli.main(["destroy", str(run.directory)]) == HostError.exit_status
    assert f"{run.directory}: belongs to user 4242" in capsys.readouterr().err
    assert (run.directory / FOLDER).exists()


@pytest.mark.parametrize("name", ["state.json", "journal.jsonl", "lock", "config.cfg", "logs"])
def test_no_link_in_a_folder_is_followed(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if name == "logs":
        victim.chmod(0o600)
    (run.directory / name).unlink(missing_ok=True)
    (run.directory / name).symlink_to(victim)
    cli.main(["destroy", run.id])
    run_again = open_run.load(run.directory)
    for act in (lambda: run_again.own("x", "y"), lambda: run_again.log("verify"), lambda: run_again.config):
        try:
            act()
        except (OSError, HostError, UsageError):
            continue
    assert "Traceback" not in capsys.readouterr().err
    assert victim.read_text() == "precious"


def test_a_lock_with_a_second_name_is_not_written(tmp_path: Path, run: Run) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run.directory / "lock").unlink()
    os.link(victim, run.directory / "lock")
    run.lock()
    run.unlock()
    assert json.loads((run.directory / "lock").read_text())["pid"] == os.getpid()
    assert victim.read_text() == "precious"


def test_nodes_behind_a_link_are_not_deleted(tmp_path: Path, run: Run) -> None:
    victim = tmp_path / "victim"
    (victim / "inside").mkdir(parents=True)
    (run.directory / FOLDER).rmdir()
    (run.directory / FOLDER).symlink_to(victim)
    assert cli.main(["destroy", run.id]) == 0
    assert (victim / "inside").exists()


def test_a_lock_names_its_process_and_boot(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.lock()
    holder = json.loads((run.directory / "lock").read_text())
    assert holder == {
        "pid": os.getpid(),
        "start": pidfd.start_time(os.getpid()),
        "boot": namespaces.boot_id(),
    }
    with pytest.raises(UsageError, match=f"in use by process {os.getpid()};"):
        Run(run.directory).lock()
    run.unlock()


@pytest.mark.parametrize("damaged", [False, True])
def test_a_copied_folder_does_not_end_the_original(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], damaged: bool
) -> None:
    copy = tmp_path / "elsewhere" / run.id
    shutil.copytree(run.directory, copy)
    if damaged:
        (copy / "state.json").write_bytes(b"")
    assert cli.main(["destroy", str(copy)]) == UsageError.exit_status
    assert f"is a copy of {run.directory}" in capsys.readouterr().err
    assert (run.directory / FOLDER).exists()


def test_a_moved_folder_is_the_run(tmp_path: Path, run: Run) -> None:
    moved = tmp_path / "elsewhere" / run.id
    moved.parent.mkdir()
    run.directory.rename(moved)
    assert cli.main(["destroy", str(moved)]) == 0
    assert not (moved / FOLDER).exists()


def test_values_of_unexpected_types_are_damage(run: Run) -> None:
    (run.directory / "state.json").write_text('{"status": "up", "nodes": 3, "provider": "fake", "links": []}')
    assert run.state() == {"status": DAMAGED, "provider": "fake", "links": []}
    (run.directory / "state.json").write_text('{"status": "up", "nodes": [{"spec": 1}]}')
    with pytest.raises(UsageError, match=r"state\.json: damaged"):
        open_run.nodes(run)
    (run.directory / "state.json").write_text("[" * 100_000)
    assert run.state() == {"status": DAMAGED}


def test_what_a_journal_names_besides_the_run_is_not_touched(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    run.own(FOLDER, str(victim))
    assert cli.main(["destroy", run.id]) == 0
    assert victim.exists()
    assert f"the journal names {FOLDER} {victim}, which is not of this run" in capsys.readouterr().err
    assert not (run.directory / FOLDER).exists()


def test_provider_that_does_not_exist_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = FakeProvider()
    monkeypatch.setattr(registry, "all_modules", lambda: (("provider", "fake", asked),))
    run = create(tmp_path)
    run.update_state(provider="no such provider")
    (run.directory / FOLDER).mkdir()
    said: list[str] = []
    run.tell = said.append
    teardown.destroy(run)
    assert not (run.directory / FOLDER).exists()
    assert "no such provider" in said[0]
