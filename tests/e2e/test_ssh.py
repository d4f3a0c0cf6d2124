"""The connection by OpenSSH, against its real daemon."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from continuum.connection.ssh import connection as ssh_connection
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.measure import clock
from tests.e2e import sshd
from tests.e2e.sshd import Sshd

pytestmark = [
    pytest.mark.providers,
    pytest.mark.root,
    pytest.mark.skipif(bool(sshd.WHY_NOT), reason=sshd.WHY_NOT),
]

WAIT_S = 20.0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = sshd.make(tmp_path_factory.mktemp("host"))
    yield made
    wait_until(lambda: not made.daemons(), "the daemons end with the connections")


@pytest.fixture
def connection(host: Sshd) -> Iterator[SshConnection]:
    with contextlib.closing(SshConnection(host.target())) as made:
        yield made


def wait_until(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def exists(token: str) -> bool:
    """Whether a process has ``token`` in its command line."""
    done = subprocess.run(["pgrep", "-f", token], capture_output=True, check=False)
    return done.returncode == 0


def refused(target: SshTarget, words: str) -> None:
    """The host cannot be reached, for a reason that has these words in it."""
    with (
        contextlib.closing(SshConnection(target)) as connection,
        pytest.raises(ConnectionFailure, match=words),
    ):
        connection.run(["true"], timeout=WAIT_S)


AWKWARD = [
    "a b",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "",
    "-n",
    "*",
    "line\nbreak",
    "\\",
    "é",
    "~",
    "!x",
    ";true",
    "a=b",
]


def test_arguments_arrive_as_they_are(connection: SshConnection) -> None:
    code = "import sys, json; print(json.dumps(sys.argv[1:]))"
    done = connection.run(["{python}", "-c", code, *AWKWARD], timeout=WAIT_S)
    assert json.loads(done.stdout) == AWKWARD
    assert done.argv[1:] == ("-c", code, *AWKWARD)


def test_a_command_sees_its_run_and_node_and_finds_administrators_programs(connection: SshConnection) -> None:
    script = 'echo "$CONTINUUM_RUN $CONTINUUM_NODE"; case ":$PATH:" in *:/usr/sbin:*) echo yes;; esac'
    said = connection.run(["sh", "-c", script], timeout=WAIT_S).stdout
    assert said == f"{sshd.RUN_ID} cloud0\nyes\n"


def test_output_and_status_are_kept_apart(connection: SshConnection) -> None:
    argv = ["sh", "-c", "cat; echo error >&2; exit 7"]
    done = connection.run(argv, timeout=WAIT_S, check=False, stdin=b"\x00in\n")
    assert (done.status, done.stdout, done.stderr) == (7, "\x00in\n", "error\n")
    with pytest.raises(CommandFailed, match="exit status 7\n  error") as failed:
        connection.run(argv, timeout=WAIT_S)
    assert failed.value.node == "cloud0"


@pytest.mark.parametrize("status", [255, 127, 1])
def test_a_status_that_ssh_uses_itself_is_still_the_commands(connection: SshConnection, status: int) -> None:
    assert connection.run(["sh", "-c", f"exit {status}"], timeout=WAIT_S, check=False).status == status


def test_a_command_that_a_signal_ends_says_so(connection: SshConnection) -> None:
    assert connection.run(["sh", "-c", "kill -9 $$"], timeout=WAIT_S, check=False).status == 128 + 9


def test_a_program_that_is_not_there(connection: SshConnection) -> None:
    with pytest.raises(CommandFailed, match="exit status 127"):
        connection.run(["no-such-program"], timeout=WAIT_S)


def test_a_timeout_ends_the_command_and_its_children_over_there(connection: SshConnection) -> None:
    token = f"86400.{os.getpid()}"
    with pytest.raises(CommandTimeout, match=r"timed out after 0\.3 s"):
        connection.run(["sh", "-c", f"sleep {token} & sleep {token}"], timeout=0.3)
    wait_until(lambda: not exists(token), "the command is gone")


@pytest.mark.timeout(60)
def test_a_timeout_is_reported_even_if_nothing_can_be_killed_over_there(
    host: Sshd, connection: SshConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connection, "_HELPER_TIMEOUT_S", 0.5)
    python = host.folder / "python-that-hangs"
    python.write_text("#!/bin/sh\nexec sleep 86400\n")
    python.chmod(0o755)
    try:
        with contextlib.closing(SshConnection(replace(host.target(), python=str(python)))) as stuck:
            with pytest.raises(CommandTimeout, match=r"sleep 86400: timed out after 0\.3 s"):
                stuck.run(["sleep", "86400"], timeout=0.3)
            with pytest.raises(CommandTimeout):
                stuck.kill_all(sshd.RUN_ID)
    finally:
        connection.kill_all(sshd.RUN_ID)


def test_a_started_command_logs_listens_and_ends_when_asked(
    connection: SshConnection, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    script = (
        'trap "echo bye; exit 5" TERM; echo "$SECRET"; read x; echo "got $x"; while :; do sleep 0.05; done'
    )
    process = connection.start(["sh", "-c", script], env={"SECRET": "it's\na $secret"}, log=log)
    assert process.poll() is None
    process.write(b"word\n")
    wait_until(lambda: "got word\n" in log.read_text(), "it reads its input")
    with pytest.raises(CommandTimeout):
        process.wait(0.05)
    process.terminate()
    assert process.wait(WAIT_S) == 5
    assert log.read_text() == "before\nit's\na $secret\ngot word\nbye\n"
    process.terminate()
    process.kill()


def test_variables_are_in_no_process_list(connection: SshConnection, tmp_path: Path) -> None:
    process = connection.start(["cat"], env={"PASSWORD": "hunter2"}, log=tmp_path / "log")
    assert not exists("hunter2")
    process.kill()


def test_kill_ends_the_children_too(connection: SshConnection, tmp_path: Path) -> None:
    token = f"86401.{os.getpid()}"
    process = connection.start(["sh", "-c", f"sleep {token} & sleep {token}"], env={}, log=tmp_path / "log")
    wait_until(lambda: exists(token), "it has started")
    process.kill()
    assert process.poll() is not None
    assert not exists(token)


def test_all_processes_of_a_run_are_found(connection: SshConnection, tmp_path: Path) -> None:
    token = f"86402.{os.getpid()}"
    process = connection.start(["setsid", "sleep", token], env={}, log=tmp_path / "log")
    wait_until(lambda: exists(token), "it has started")
    connection.kill_all("another-run")
    assert process.poll() is None
    connection.kill_all(sshd.RUN_ID)
    assert process.wait(WAIT_S) == 137


def test_files_go_there_and_back(connection: SshConnection, tmp_path: Path) -> None:
    there = PurePosixPath(str(tmp_path / "there" / "it's" / "a file"))
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 5000)
    source.chmod(0o750)
    connection.put(source, there)
    connection.put(source, there)
    assert Path(there).read_bytes() == source.read_bytes()
    assert Path(there).stat().st_mode & 0o777 == 0o750
    assert [entry.name for entry in Path(there).parent.iterdir()] == ["a file"]
    connection.get(there, tmp_path / "back" / "again")
    assert (tmp_path / "back" / "again").read_bytes() == source.read_bytes()


def test_a_folder_comes_back_with_its_links_as_links(connection: SshConnection, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "sub" / "empty").mkdir(parents=True)
    (there / "sub" / "file").write_text("x")
    (there / "link").symlink_to("/etc/passwd")
    os.mkfifo(there / "pipe")
    connection.get(PurePosixPath(str(there)), tmp_path / "back")
    back = tmp_path / "back"
    assert (back / "sub" / "file").read_text() == "x"
    assert (back / "sub" / "empty").is_dir()
    assert os.readlink(back / "link") == "/etc/passwd"
    assert not (back / "pipe").exists()


def test_what_cannot_be_copied_is_said(connection: SshConnection, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="cloud0: no such file or folder: /no/such"):
        connection.get(PurePosixPath("/no/such"), tmp_path / "x")
    with pytest.raises(OSError, match="cannot copy"):
        connection.get(PurePosixPath("/dev/null"), tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed):
        connection.put(tmp_path / "file", PurePosixPath("/proc/no/such"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_clock_is_that_of_the_host(connection: SshConnection) -> None:
    """The daemon runs on this very host here, so that the truth is known: no offset at all."""
    assert not connection.host_clock
    offset = clock.measure(connection)
    assert abs(offset.offset_ns) <= offset.error_ns


def test_usage_tells_of_the_runs_processes(connection: SshConnection, tmp_path: Path) -> None:
    code = "x = bytearray(60 << 20); print('there', flush=True); input()"
    process = connection.start(["{python}", "-c", code], env={}, log=tmp_path / "log")
    wait_until(lambda: "there" in (tmp_path / "log").read_text(), "it has its memory")
    used = json.loads(connection.usage())
    assert 60 < used["memory_peak_mb"] < 400
    assert used["cpu_seconds"] > 0
    process.kill()
    assert json.loads(connection.usage())["memory_peak_mb"] is None


def test_more_commands_at_once_than_one_connection_carries(connection: SshConnection, tmp_path: Path) -> None:
    processes = [connection.start(["cat"], env={}, log=tmp_path / f"log{n}") for n in range(12)]
    assert connection.run(["echo", "still"], timeout=WAIT_S).stdout == "still\n"
    assert [process.poll() for process in processes] == [None] * 12
    for process in processes:
        process.kill()


def test_a_host_that_drops_is_named_and_then_reached_again(
    host: Sshd, connection: SshConnection, tmp_path: Path
) -> None:
    process = connection.start(["sleep", "1000"], env={}, log=tmp_path / "log")
    wait_until(
        lambda: connection.run(["pgrep", "-fx", "sleep 1000"], timeout=WAIT_S, check=False).stdout, "start"
    )
    host.drop()
    wait_until(lambda: not connection.alive, "the loss is noticed")
    wait_until(lambda: process.popen.poll() is not None, "the client ends")
    with pytest.raises(ConnectionFailure, match="cloud0: the connection to testhost was lost"):
        process.poll()
    process.kill()
    assert connection.run(["echo", "back"], timeout=WAIT_S).stdout == "back\n"
    connection.kill_all(sshd.RUN_ID)


def test_a_host_that_drops_under_a_command(host: Sshd, connection: SshConnection, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    argv = ["sh", "-c", f"touch {mark}; exec sleep 1000"]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(connection.run, argv, timeout=WAIT_S)
        wait_until(mark.exists, "it has begun")
        host.drop()
        with pytest.raises(ConnectionFailure, match="the connection to testhost was lost"):
            running.result()
    connection.kill_all(sshd.RUN_ID)


def test_a_host_whose_key_has_changed_is_refused(tmp_path: Path) -> None:
    changed = sshd.make(tmp_path / "changed")
    (changed.folder / "known_hosts").write_text(
        "testhost ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1JcrmyRIWmeVHBqLRKqrLaGWFSBXzAQNVQEIpzbVSb\n"
    )
    refused(changed.target(), r"IDENTIFICATION HAS CHANGED")
    (changed.folder / "known_hosts").write_text("")
    refused(changed.target(), r"verification failed.*log in once by hand")


def test_a_key_that_is_not_let_in(host: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    text = host.config.read_text().replace(f"{host.folder}/key", f"{tmp_path}/key")
    (tmp_path / "ssh_config").write_text(text)
    refused(
        replace(host.target(), config=tmp_path / "ssh_config"),
        r"cloud0: testhost cannot be reached.*Permission denied",
    )


def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host nowhere\n ProxyCommand false\n")
    target = replace(Sshd("nowhere", tmp_path).target(), config=tmp_path / "config")
    refused(target, r"cloud0: nowhere cannot be reached")


def test_a_host_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host silent\n ProxyCommand sleep 60\n")
    target = replace(
        Sshd("silent", tmp_path).target(),
        config=tmp_path / "config",
        connect_timeout_s=1,
        acceptance_timeout_s=0.5,
    )
    refused(target, r"cloud0: silent cannot be reached")


def test_attach_uses_our_own_streams(host: Sshd) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from continuum.connection.ssh.connection import SshConnection, SshTarget\n"
        "c = SshConnection(SshTarget('cloud0', 'r', 'testhost', config=Path(sys.argv[1])))\n"
        "s = c.attach(['sh', '-c', 'cat; echo error >&2; exit 9']); c.close(); sys.exit(s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(host.config)],
        cwd=Path(__file__).parents[2],
        input="in\n",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "in\n", "error\n")


def test_the_connection_ends_with_its_process_however_that_ends(host: Sshd) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from continuum.connection.ssh.connection import SshConnection, SshTarget\n"
        "c = SshConnection(SshTarget('cloud0', 'r', 'testhost', config=Path(sys.argv[1])))\n"
        "c.run(['true'], timeout=20); print('open', flush=True); time.sleep(60)"
    )
    temporary = Path(tempfile.mkdtemp(prefix="t"))  # short: sockets have short names
    popen = subprocess.Popen(
        [sys.executable, "-c", code, str(host.config)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert popen.stdout
    assert popen.stdout.readline() == "open\n"
    assert host.daemons()
    assert [*temporary.iterdir()]
    popen.send_signal(signal.SIGKILL)
    popen.communicate(timeout=WAIT_S)
    wait_until(lambda: not host.daemons(), "nothing is left of the connection")
    wait_until(lambda: not [*temporary.iterdir()], "no file either")
    temporary.rmdir()
