"""The connection that tests of others rely on does what a connection must."""

from __future__ import annotations

import signal
import time
from pathlib import Path, PurePosixPath

import pytest

from continuum.connection import Connection
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.measure import clock
from continuum.testing.fake_connection import FakeConnection


@pytest.fixture
def node(tmp_path: Path) -> FakeConnection:
    return FakeConnection("edge0", tmp_path / "edge0")


def test_it_is_a_connection(node: FakeConnection) -> None:
    connection: Connection = node
    assert connection.node == "edge0"
    assert connection.host_clock


def test_commands(node: FakeConnection) -> None:
    done = node.run(["sh", "-c", "cat; echo err >&2; exit 3"], timeout=9, check=False, stdin=b"in")
    assert (done.status, done.stdout, done.stderr) == (3, "in", "err\n")
    with pytest.raises(CommandFailed):
        node.run(["false"], timeout=9)
    with pytest.raises(CommandTimeout):
        node.run(["sleep", "99"], timeout=0.05)
    with pytest.raises(ConnectionFailure, match="edge0: no-such-program"):
        node.run(["no-such-program"], timeout=9)


def test_files_and_folders_of_the_node(node: FakeConnection, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    node.put(source, PurePosixPath("/var/lib/w/file"))
    assert node.run(["cat", "/var/lib/w/file"], timeout=9).stdout == "content"
    said = node.run(["env", "--chdir=/var/lib/w", "pwd"], timeout=9).stdout
    assert said.strip() == str(node.root / "var/lib/w")
    node.get(PurePosixPath("/var/lib"), tmp_path / "got")
    assert (tmp_path / "got" / "w" / "file").read_text() == "content"
    with pytest.raises(FileNotFoundError):
        node.get(PurePosixPath("/nowhere"), tmp_path / "x")


def test_processes(node: FakeConnection, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = node.start(["sh", "-c", "read x; echo $x $MINE; exit 5"], env={"MINE": "m"}, log=log)
    assert process.poll() is None
    process.write(b"hello\n")
    assert process.wait(9) == 5
    assert log.read_text() == "hello m\n"
    process.kill()
    process = node.start(["sleep", "99"], env={}, log=log)
    with pytest.raises(CommandTimeout):
        process.wait(0.01)
    process.terminate()
    assert process.wait(9) == -signal.SIGTERM
    process = node.start(["sh", "-c", "sleep 98 & sleep 99"], env={}, log=log)
    process.kill()
    assert process.wait(9) == -signal.SIGKILL
    process.kill()


def test_pretended_clock_is_found_by_the_measurement_of_offsets(tmp_path: Path) -> None:
    ahead = FakeConnection("edge0", tmp_path, clock_offset_ns=5_000_000_000)
    assert not ahead.host_clock
    offset = clock.measure_all({"edge0": ahead})["edge0"]
    assert abs(offset.offset_ns - 5_000_000_000) <= offset.error_ns
    with FakeConnection("edge1", tmp_path).clock() as read:
        before = time.monotonic_ns()
        assert before <= read() <= time.monotonic_ns()


def test_what_is_ours_on_a_node_is_never_this_hosts(tmp_path: Path) -> None:
    said = FakeConnection("edge0", tmp_path).run(["echo", "/var/lib/continuum/packages"], timeout=10).stdout
    assert said == f"{tmp_path}/var/lib/continuum/packages\n"
