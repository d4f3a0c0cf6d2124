"""``continuum check``: warnings are said, errors end it."""

import argparse
from pathlib import Path

import pytest

from continuum.commands import check
from continuum.errors import HostError, Problem

TEXT = "[infrastructure]\ninfra_only = True\ncloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 256 MiB\n"


def execute(tmp_path: Path) -> int:
    (tmp_path / "x.cfg").write_text(TEXT)
    return check.execute(argparse.Namespace(config=[tmp_path / "x.cfg"], no_host=False, json=False))


def test_a_warning_about_the_host_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "probe", lambda *_: (Problem("a bit slow", severity="warning"),))
    assert execute(tmp_path) == 0
    said = capsys.readouterr()
    assert said.err == "warning: a bit slow\n"
    assert said.out.endswith("x.cfg: ok\n")


def test_what_the_host_lacks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = (Problem("a bit slow", severity="warning"), Problem("no TUN"))
    monkeypatch.setattr(check, "probe", lambda *_: problems)
    with pytest.raises(HostError) as refused:
        execute(tmp_path)
    assert str(refused.value) == "warning: a bit slow\nno TUN"
