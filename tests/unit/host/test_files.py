"""Files that are written atomically."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from continuum.host.files import read_json, replacing, sha256_of, write_atomically, write_json


def test_text_and_bytes_are_written_with_their_mode(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "text", "ü\n")
        write_atomically(tmp_path / "key", b"\xff", 0o600)
    finally:
        os.umask(old)
    assert (tmp_path / "text").read_bytes() == b"\xc3\xbc\n"
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("text", "key")] == [0o644, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "text"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", {"a" * 300_000, "b" * 200_000}
    write_atomically(path, min(contents))

    def write(content: str) -> None:
        for _ in range(20):
            write_atomically(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_file_name_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), "x")
    assert (tmp_path / ("n" * 255)).read_text() == "x"


def test_json_is_read_back_and_a_missing_file_is_the_default(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", {"a": [1, None]})
    assert read_json(tmp_path / "value.json", None) == {"a": [1, None]}
    assert read_json(tmp_path / "missing.json", 7) == 7


def test_hash_of_a_file_longer_than_one_read(tmp_path: Path) -> None:
    content = bytes(3 << 20) + b"end"
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
