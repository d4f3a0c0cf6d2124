"""The journal keeps what was written, whatever happened to the writer."""

import os
from pathlib import Path

import pytest

from continuum.rundir.journal import NAME, Journal


def test_entries_come_back_in_order_and_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add([("node", "a"), ("cgroup", "/x y\n")])
    journal.add([("node", "a"), ("node", "b")])
    assert Journal(tmp_path).entries() == (("node", "a"), ("cgroup", "/x y\n"), ("node", "b"))


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add([("node", "a")])
    with (tmp_path / NAME).open("a") as file:
        file.write('["node", "b')
    assert journal.entries() == (("node", "a"),)


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert Journal(tmp_path).entries() == ()


def test_an_entry_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Journal(tmp_path / "missing").add([("node", "a")])


def test_an_entry_is_on_the_disk_before_anything_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink()))
    Journal(tmp_path).add([("node", "a")])
    assert synced == [tmp_path / NAME, tmp_path]
    Journal(tmp_path).add([("node", "b")])
    assert synced[2:] == [tmp_path / NAME]
