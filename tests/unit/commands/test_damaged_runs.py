"""A damaged run folder: ``list`` and ``destroy --all`` go on with the other runs, and say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from continuum import cli
from continuum.config import loader
from continuum.modules import registry
from continuum.rundir import run as runs
from continuum.rundir.journal import Journal
from continuum.rundir.run import Run
from continuum.testing.fake_provider import FOLDER, FakeProvider

TEXT = """
[infrastructure]
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1
infra_only = True
base_path = {folder}
"""
DAMAGE = {
    "empty": b"",
    "torn": b'{"status": "up", "prov',
    "not JSON": b"\xff\xfe\x00garbage\n",
    "a list": b"[1, 2]\n",
    "a number": b"3\n",
    "null": b"null\n",
}
FILES = ("state.json", "journal.jsonl", "config.cfg", "lock", "notes.json")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    made = FakeProvider()
    monkeypatch.setattr(registry, "provider", lambda _name: made)
    monkeypatch.setattr(registry, "all_modules", lambda: (("provider", "fake", made),))
    return made


def up(folder: Path, name: str) -> tuple[Run, Path]:
    """A run that owns a folder of nodes."""
    run = runs.create(loader.parse(TEXT.format(folder=folder) + f"[run]\nname = {name}\n"))
    nodes = run.directory / FOLDER
    run.own("provider", "fake")
    run.own(FOLDER, str(nodes))
    nodes.mkdir()
    run.update_state(status="up", provider="fake")
    run.unlock()
    return run, nodes


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("name", FILES)
def test_damage_to_one_run_does_not_stop_the_others(
    tmp_path: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (damaged, damaged_nodes), (_, other_nodes) = up(tmp_path, "a"), up(tmp_path, "b")
    (damaged.directory / name).write_bytes(content)
    assert cli.main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    cli.main(["destroy", "--all"])
    assert "Traceback" not in capsys.readouterr().err
    assert not other_nodes.exists()
    assert not damaged_nodes.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_does_not_stop_the_others(
    tmp_path: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (damaged, _), (_, other_nodes) = up(tmp_path, "a"), up(tmp_path, "b")
    (damaged.directory / name).unlink(missing_ok=True)
    (damaged.directory / name).mkdir()
    assert cli.main(["list"]) == 0
    cli.main(["destroy", "--all"])
    assert "Traceback" not in capsys.readouterr().err
    assert not other_nodes.exists()


def test_a_journal_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'["a", "1"]\n5\n{"a": 1}\n[1]\n\xff\n["b", "2"]\n["c", ')
    assert Journal(tmp_path).entries() == (("a", "1"), ("b", "2"))


class ByLabel(FakeProvider):
    """Finds what belongs to a run without its journal."""

    destroyed: tuple[str, ...] = ()

    def destroy(self, run: Run, owned: object) -> None:
        self.destroyed = (*self.destroyed, run.id)


@pytest.mark.parametrize("state", ["kept", "damaged"])
def test_without_a_journal_providers_remove_what_carries_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    made = ByLabel()
    monkeypatch.setattr(registry, "provider", lambda _name: made)
    monkeypatch.setattr(registry, "all_modules", lambda: (("provider", "fake", made),))
    run, _ = up(tmp_path, "a")
    (run.directory / "journal.jsonl").write_bytes(b"")
    if state == "damaged":
        (run.directory / "state.json").write_bytes(b"{")
    assert cli.main(["destroy", run.id]) == 0
    assert made.destroyed == (run.id,)
