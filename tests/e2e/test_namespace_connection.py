"""The way into a node of namespaces: commands, processes and files."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from continuum.connection.namespace import NamespaceConnection, NamespaceProcess, NamespaceTarget
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from infrastructure.local import processes
from tests.e2e.local_nodes import Nodes, nodes, shared_nodes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root; see test_local_user for ordinary users"),
]
DEADLINE_S = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with shared_nodes(tmp_path_factory) as existing:
        yield existing


@pytest.fixture
def node(made: Nodes) -> NamespaceConnection:
    connection = made["endpoint0"]
    assert isinstance(connection, NamespaceConnection)
    return connection


def running(node: NamespaceConnection, word: str) -> bool:
    """Whether a command with this word is running on the node."""
    script = f"grep -lsz -x {word} /proc/[0-9]*/cmdline | grep -qv self"
    return (
        node.run(["sh", "-c", script.replace(word, f"[{word[0]}]{word[1:]}")], timeout=60, check=False).status
        == 0
    )


def parent_of(pid: int) -> int:
    fields = processes.stat_fields(pid)
    return int(fields[1]) if fields else 0


def wait_until(condition: object, *, is_true: bool = True) -> None:
    assert callable(condition)
    deadline = time.monotonic() + DEADLINE_S
    while bool(condition()) is not is_true:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_output_and_status(node: NamespaceConnection) -> None:
    done = node.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=60, check=False)
    assert (done.stdout, done.stderr, done.status) == ("out\n", "err\n", 3)


def test_failed_command_says_which_where_and_why(node: NamespaceConnection) -> None:
    with pytest.raises(CommandFailed, match=r"endpoint0: ls /nowhere: exit status 2\n.*No such file"):
        node.run(["ls", "/nowhere"], timeout=60)


def test_arguments_never_meet_a_shell(node: NamespaceConnection) -> None:
    odd = ["$(touch /tmp/hit)", "; touch /tmp/hit", "a  b", "", "'\"\\", "--", "*"]
    assert node.run(["printf", "%s\n", *odd], timeout=60).stdout.split("\n")[:-1] == odd
    assert "hit" not in node.run(["ls", "/tmp"], timeout=60).stdout


def test_standard_input(node: NamespaceConnection) -> None:
    assert node.run(["cat"], timeout=60, stdin=b"hello").stdout == "hello"
    assert node.run(["cat"], timeout=60).stdout == ""


def test_environment_holds_nothing_by_chance(
    node: NamespaceConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "leaks")
    process = node.start(["env"], env={"MINE": "a b=c"}, log=tmp_path / "log")
    assert process.wait(DEADLINE_S) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert "MINE=a b=c" in lines
    assert "CONTINUUM_NODE=endpoint0" in lines
    assert "HOME=/root" in lines
    assert not any("SECRET" in line for line in lines)


def test_timeout_ends_the_command_and_its_children(node: NamespaceConnection) -> None:
    with pytest.raises(CommandTimeout, match=r"timed out after 0\.3 s"):
        node.run(["sh", "-c", "setsid sleep 4321 & sleep 4322"], timeout=0.3)
    assert not running(node, "4321")
    assert not running(node, "4322")


def test_kill_reaches_what_the_command_started(node: NamespaceConnection, tmp_path: Path) -> None:
    script = "setsid env -i sleep 5321 & trap '' TERM; while :; do sleep 5322; done"
    process = node.start(["bash", "-c", script], env={}, log=tmp_path / "log")
    wait_until(lambda: running(node, "5321") and running(node, "5322"))
    assert process.poll() is None
    process.kill()
    assert process.wait(DEADLINE_S) == -signal.SIGKILL
    assert not running(node, "5321")
    assert not running(node, "5322")
    process.kill()


def test_kill_spares_other_commands(node: NamespaceConnection, tmp_path: Path) -> None:
    first = node.start(["sleep", "6321"], env={}, log=tmp_path / "log")
    second = node.start(["sleep", "6322"], env={}, log=tmp_path / "log")
    first.kill()
    assert first.wait(DEADLINE_S) == -signal.SIGKILL
    assert second.poll() is None
    second.kill()


def test_terminate_asks_the_command_alone_and_waits_for_what_it_does(
    node: NamespaceConnection, tmp_path: Path
) -> None:
    script = "trap 'echo flushed; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    process = node.start(["bash", "-c", script], env={}, log=tmp_path / "log")
    wait_until(lambda: "ready" in (tmp_path / "log").read_text())
    process.terminate()
    assert process.wait(DEADLINE_S) == 7
    assert (tmp_path / "log").read_text() == "ready\nflushed\n"
    process.terminate()


def test_terminate_right_after_the_start(node: NamespaceConnection, tmp_path: Path) -> None:
    process = node.start(["sleep", "100"], env={}, log=tmp_path / "log")
    process.terminate()
    assert process.wait(DEADLINE_S) == -signal.SIGTERM


def test_wait_has_a_deadline(node: NamespaceConnection, tmp_path: Path) -> None:
    process = node.start(["sleep", "100"], env={}, log=tmp_path / "log")
    with pytest.raises(CommandTimeout):
        process.wait(0.05)
    process.kill()


def test_a_command_is_in_the_nodes_control_group_and_what_waits_for_it_is_not(
    made: Nodes, node: NamespaceConnection, tmp_path: Path
) -> None:
    if not made.node("endpoint0").handle["groups"]["paths"]:
        pytest.skip("no control groups can be created here")
    process = node.start(["cat"], env={}, log=tmp_path / "log")
    assert isinstance(process, NamespaceProcess)
    try:
        waiting = process.entered.pid
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        (command,) = [pid for pid in pids if parent_of(pid) == waiting]
        assert "endpoint0" in Path(f"/proc/{command}/cgroup").read_text()
        assert "endpoint0" not in Path(f"/proc/{waiting}/cgroup").read_text()
    finally:
        process.kill()


def test_log_is_appended_to_as_output_comes(node: NamespaceConnection, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    process = node.start(["sh", "-c", "echo first; read x; echo $x >&2"], env={}, log=log)
    wait_until(lambda: log.read_text() == "before\nfirst\n")
    process.write(b"second\n")
    assert process.wait(DEADLINE_S) == 0
    assert log.read_text() == "before\nfirst\nsecond\n"


def test_writing_to_what_has_ended_is_a_failure_of_the_connection(
    node: NamespaceConnection, tmp_path: Path
) -> None:
    process = node.start(["true"], env={}, log=tmp_path / "log")
    process.wait(DEADLINE_S)
    with pytest.raises(ConnectionFailure, match="standard input is closed"):
        process.write(b"x")


def test_put_and_get_a_file_with_its_mode(node: NamespaceConnection, tmp_path: Path) -> None:
    source = tmp_path / "tool"
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o750)
    node.put(source, PurePosixPath("/var/lib/a/b/tool"))
    assert node.run(["stat", "-c", "%a", "/var/lib/a/b/tool"], timeout=60).stdout.strip() == "750"
    assert node.run(["ls", "-A", "/var/lib/a/b"], timeout=60).stdout.split() == ["tool"], "no remains"
    node.get(PurePosixPath("/var/lib/a/b/tool"), tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == source.read_bytes()
    assert not Path("/var/lib/a").exists()


def test_get_a_folder(node: NamespaceConnection, tmp_path: Path) -> None:
    script = "mkdir -p d/e; echo 1 > d/one; echo 2 > d/e/two; ln -s /etc/shadow d/link; mkfifo d/pipe"
    node.run(["env", "--chdir=/srv", "sh", "-ec", script], timeout=60)
    node.get(PurePosixPath("/srv/d"), tmp_path / "d")
    assert (tmp_path / "d" / "e" / "two").read_text() == "2\n"
    assert (tmp_path / "d" / "link").readlink() == Path("/etc/shadow"), "copied as a link, not what it names"
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["e", "link", "one"]


def test_get_what_is_not_there(node: NamespaceConnection, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        node.get(PurePosixPath("/nowhere"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_links_of_the_node_do_not_lead_to_the_host(node: NamespaceConnection, tmp_path: Path) -> None:
    """An absolute link means the node's own file, and so does one that climbs out."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("the host's")
    node.run(
        [
            "sh",
            "-ec",
            f"mkdir -p /srv/links; ln -s {victim} /srv/links/abs; ln -s ../../../../..{victim} /srv/links/up",
        ],
        timeout=60,
    )
    source = tmp_path / "new"
    source.write_text("from the test")
    for link in ("abs", "up"):
        with pytest.raises(FileNotFoundError):
            node.get(PurePosixPath(f"/srv/links/{link}/file"), tmp_path / "got")
        with pytest.raises(OSError, match=link):
            node.put(source, PurePosixPath(f"/srv/links/{link}/file"))
    assert (victim / "file").read_text() == "the host's"
    node.run(["mkdir", "-p", str(victim)], timeout=60)
    node.put(source, PurePosixPath("/srv/links/abs/file"))
    assert node.run(["cat", f"{victim}/file"], timeout=60).stdout == "from the test"
    assert (victim / "file").read_text() == "the host's"


def test_put_replaces_a_link_and_not_what_it_names(node: NamespaceConnection, tmp_path: Path) -> None:
    source = tmp_path / "new"
    source.write_text("new")
    node.run(["sh", "-ec", "echo old > /srv/old; ln -s /srv/old /srv/name"], timeout=60)
    node.put(source, PurePosixPath("/srv/name"))
    assert node.run(["cat", "/srv/name", "/srv/old"], timeout=60).stdout == "newold\n"


def test_clock_is_that_of_the_host(node: NamespaceConnection) -> None:
    with node.clock() as read:
        before, now, after = time.monotonic_ns(), read(), time.monotonic_ns()
    assert before <= now <= after
    inside = node.run(["{python}", "-c", "import time; print(time.monotonic_ns())"], timeout=60).stdout
    assert after <= int(inside) <= time.monotonic_ns()
    assert node.host_clock


def test_attach_passes_streams_and_status_on(
    node: NamespaceConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    assert node.attach(["sh", "-c", "echo shown; exit 4"]) == 4
    assert capfd.readouterr().out == "shown\n"
    assert node.attach(["sh", "-c", "kill -9 $$"]) == 137


def test_node_that_is_gone_is_named(tmp_path: Path) -> None:
    with nodes(tmp_path) as made:
        connection = made["cloud0"]
        made.destroy()
        for action in (
            lambda: connection.run(["true"], timeout=60),
            lambda: connection.start(["true"], env={}, log=tmp_path / "log"),
            lambda: connection.get(PurePosixPath("/etc/hosts"), tmp_path / "x"),
        ):
            with pytest.raises(ConnectionFailure, match="cloud0: the node is gone"):
                action()


def test_process_that_has_a_dead_nodes_number_is_left_alone(tmp_path: Path) -> None:
    stranger = NamespaceConnection(NamespaceTarget("edge0", "some-run", os.getpid(), start=1))
    with pytest.raises(ConnectionFailure, match="edge0: the node is gone"):
        stranger.run(["true"], timeout=60)
    with pytest.raises(ConnectionFailure, match="run: continuum destroy"):
        stranger.put(Path(sys.executable), PurePosixPath(str(tmp_path / "x")))
    assert not (tmp_path / "x").exists()
