"""``continuum destroy`` where something resists: what it says, what it leaves, and how to give it up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from continuum import cli
from continuum.config import loader as config
from continuum.errors import LeftBehindError, ProvisionError
from continuum.modules import registry
from continuum.pipeline import teardown
from continuum.rundir import run as rundir
from continuum.rundir.run import Run
from continuum.testing.fake_provider import FOLDER, FakeProvider
from infrastructure.baremetal.settings import NamedHost

TEXT = """
[infrastructure]
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 1
infra_only = True
base_path = {folder}
"""


class Lost(FakeProvider):
    """Nodes on hosts of which some cannot be reached.

    Attributes:
        gone: what is left on them, one line each; None for an error that does not say.
        reachable: whether they are back.
    """

    def __init__(self, gone: tuple[str, ...] | None) -> None:
        super().__init__()
        self.gone, self.reachable = gone, False

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        super().destroy(run, owned)
        if self.reachable:
            return
        if self.gone is None:
            raise ProvisionError("daemon: connection refused\nstart it")
        raise LeftBehindError("camera cannot be reached", self.gone)


def _up(folder: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(registry, "provider", lambda _name: provider)
    run = rundir.create(config.parse(TEXT.format(folder=folder)))
    run.own("provider", "fake")
    run.own(FOLDER, str(run.directory / FOLDER))
    (run.directory / FOLDER).mkdir()
    run.update_state(status="up")
    run.unlock()
    return run


def test_what_resists_is_an_error_until_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = Lost(("camera (endpoint1): folder /x", "camera (endpoint1): the queue of eth0"))
    run = _up(tmp_path, provider, monkeypatch)
    for _ in range(2):
        assert cli.main(["destroy", run.id]) == 4
        assert "camera cannot be reached" in capsys.readouterr().err
        assert run.state()["status"] == "up"
    assert not (run.directory / FOLDER).exists()

    assert cli.main(["destroy", run.id, "--forget"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == list(provider.gone or ())
    assert f"{run.id}: given up" in said.err
    assert f"continuum destroy {run.id}" in said.err
    assert run.state()["status"] == teardown.GIVEN_UP
    assert run.state()["left_behind"] == list(provider.gone or ())

    monkeypatch.setattr(registry, "all_modules", tuple)
    assert cli.main(["destroy", "--all"]) == 0  # nobody waits for it any more
    provider.reachable = True
    assert cli.main(["destroy", run.id]) == 0  # but it can still be removed
    assert run.state()["status"] == "destroyed"


def test_an_error_that_does_not_say_what_is_left_leaves_all_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _up(tmp_path, Lost(None), monkeypatch)
    assert cli.main(["destroy", run.id, "--forget"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{FOLDER} {run.directory / FOLDER}: may still exist (daemon: connection refused)"
    ]


def test_forgetting_a_run_of_which_nothing_resists_is_destroying_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _up(tmp_path, FakeProvider(), monkeypatch)
    assert cli.main(["destroy", run.id, "--forget"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{run.id}: nothing left\n")
    assert run.state()["status"] == "destroyed"


def test_all_runs_cannot_be_forgotten_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["destroy", "--all", "--forget"]) == 2
    assert "--forget requires the names" in capsys.readouterr().err


def test_what_a_host_keeps_is_named_with_the_host() -> None:
    place = NamedHost("endpoint1", "camera", user="me", folder="/var/lib/continuum/r1", interface="eth0")
    lines = list(place.leftovers("r1"))
    assert all(line.startswith("me@camera (endpoint1): ") for line in lines)
    for what, line in zip(("CONTINUUM_RUN=r1", "/var/lib/continuum/r1", "eth0"), lines, strict=True):
        assert what in line
    assert len(list(NamedHost("endpoint1", "camera").leftovers("r1"))) == 2
