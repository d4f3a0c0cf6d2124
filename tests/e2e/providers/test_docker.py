"""Containers as nodes: what they are, what they are limited to, and the way to them."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from benchmarks.dockerd import Dockerd
from continuum.connection import Connection
from continuum.errors import CommandFailed, CommandTimeout, ConnectionFailure
from continuum.model.limits import Limits
from continuum.pipeline import open_run
from infrastructure.docker.engine_api import client
from tests.e2e import program
from tests.e2e.providers import dockerd

pytestmark = [pytest.mark.root, pytest.mark.providers]

DOCKER = "provider = docker"


@pytest.fixture(scope="module")
def up(docker_daemon: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that is up: an edge node and an endpoint with half of a CPU."""
    folder = tmp_path_factory.mktemp("up")
    limits = "endpoint_quota = 0.5\nendpoint_write_speed = 5 MB/s\nwireless_network_preset = 5g"
    config = program.config(folder, infrastructure=f"{DOCKER}\n{limits}")
    environment = {"DOCKER_HOST": docker_daemon.url, "XDG_STATE_HOME": str(folder / "state")}
    done = program.run("up", config, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    directory = program.run_directory(folder)
    yield directory
    done = program.run("down", directory, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def edge(up: Path, docker_daemon: Dockerd) -> Connection:
    return open_run.deployment(open_run.load(up)).connections["edge0"]


@pytest.fixture
def endpoint(up: Path, docker_daemon: Dockerd) -> Connection:
    return open_run.deployment(open_run.load(up)).connections["endpoint0"]


def test_containers_are_labelled_named_and_on_no_network(up: Path, docker_daemon: Dockerd) -> None:
    ours = [one for one in dockerd.containers(docker_daemon.url) if up.name in one["Names"][0]]
    names = sorted(one["Names"][0] for one in ours)
    assert names == [f"/continuum-{up.name}-{node}" for node in ("edge0", "endpoint0")]
    for one in ours:
        assert one["Labels"]["continuum.run"] == up.name
        assert list(one["NetworkSettings"]["Networks"]) == ["none"]


def test_nodes_reach_each_other_by_name_over_the_shaped_link(endpoint: Connection) -> None:
    assert endpoint.run(["hostname"], timeout=60).stdout.strip() == "endpoint0"
    said = endpoint.run(["ping", "-c", "3", "-i", "0.2", "-q", "edge0"], timeout=60).stdout
    assert "3 received" in said
    assert float(said.rpartition("= ")[2].split("/")[1]) > 10
    interfaces = endpoint.run(["ls", "/sys/class/net"], timeout=60).stdout.split()
    assert sorted(interfaces) == ["eth0", "lo"]


def test_limits_are_in_force(up: Path, docker_daemon: Dockerd) -> None:
    host = client(docker_daemon.url).inspect_container(f"continuum-{up.name}-endpoint0")["HostConfig"]
    assert (host["CpuPeriod"], host["CpuQuota"]) == (10_000, 5_000)
    assert host["Memory"] == host["MemorySwap"] == 512 << 20
    assert [one["Rate"] for one in host["BlkioDeviceWriteBps"]] == [5_000_000]


def test_half_a_cpu_is_half_a_cpu(endpoint: Connection) -> None:
    spin = (
        "import time; begin, cpu = time.monotonic(), time.process_time()\n"
        "while time.process_time() - cpu < 0.3: pass\n"
        "print(time.monotonic() - begin)"
    )
    assert float(endpoint.run(["python3", "-c", spin], timeout=60).stdout) > 0.5


def test_a_measuring_tool_is_outside_the_limits(endpoint: Connection, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = endpoint.start(["cat", "/proc/self/cgroup"], env={}, log=log, limits=None)
    assert process.wait(10) == 0
    outside = log.read_text()
    process = endpoint.start(["cat", "/proc/self/cgroup"], env={}, log=log)
    assert process.wait(10) == 0
    inside = log.read_text()[len(outside) :]
    cpu = [line for line in inside.splitlines() if ":cpu:" in line or line.startswith("0::")]
    assert cpu
    assert not any(line in outside.splitlines() for line in cpu if line.endswith("docker"))
    assert outside != inside


def test_a_workload_is_bounded_within_its_node(edge: Connection, tmp_path: Path) -> None:
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("cgroup v2: workloads have no limits of their own in containers")
    log = tmp_path / "log"
    hungry = ["python3", "-c", "x = bytearray(200 << 20)"]
    assert edge.start(hungry, env={}, log=log, limits=Limits(None, 50)).wait(20) == -9
    assert edge.start(hungry, env={}, log=log, limits=Limits(None, 400)).wait(20) == 0


def test_status_output_and_input_of_a_command(edge: Connection) -> None:
    done = edge.run(
        ["sh", "-c", "cat; echo bad >&2; exit 3"], timeout=60, check=False, stdin=b"in\n" * 50_000
    )
    assert (done.status, done.stdout, done.stderr) == (3, "in\n" * 50_000, "bad\n")
    with pytest.raises(CommandFailed, match="edge0: sh -c exit 4: exit status 4"):
        edge.run(["sh", "-c", "exit 4"], timeout=60)
    assert edge.run(["no-such-program"], timeout=60, check=False).status == 127
    assert edge.run(["sh", "-c", "kill -9 $$"], timeout=60, check=False).status == -signal.SIGKILL


def test_a_command_that_outlives_its_deadline_is_ended_with_its_children(edge: Connection) -> None:
    with pytest.raises(CommandTimeout, match=r"timed out after 0\.5 s"):
        edge.run(["sh", "-c", "sleep 1234 & sleep 1234"], timeout=0.5)
    assert edge.run(["pgrep", "-c", "-x", "-f", "sleep 1234"], timeout=60, check=False).stdout.strip() == "0"


def test_a_started_command_logs_is_written_to_and_ends_on_sigterm(edge: Connection, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "trap 'echo bye; exit 5' TERM; echo $GREETING; read line; echo got $line;"
        " while :; do sleep 0.05; done"
    )
    process = edge.start(["sh", "-c", script], env={"GREETING": "hello"}, log=log)
    process.write(b"word\n")
    deadline = time.monotonic() + 10
    while "got word" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.poll() is None
    with pytest.raises(CommandTimeout):
        process.wait(0.1)
    process.terminate()
    assert process.wait(10) == 5
    process.terminate()
    process.kill()
    assert log.read_text() == "hello\ngot word\nbye\n"


def test_killing_a_command_ends_its_children(edge: Connection, tmp_path: Path) -> None:
    process = edge.start(["sh", "-c", "setsid sleep 4321 & sleep 4321"], env={}, log=tmp_path / "log")
    process.kill()
    assert process.poll() == -signal.SIGKILL
    assert edge.run(["pgrep", "-c", "-x", "-f", "sleep 4321"], timeout=60, check=False).stdout.strip() == "0"


def test_files_go_there_and_come_back(edge: Connection, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for content in (b"first", os.urandom(3_000_000), b""):
        source.write_bytes(content)
        source.chmod(0o750)
        edge.put(source, PurePosixPath("/new/folder/name"))
        edge.get(PurePosixPath("/new/folder/name"), tmp_path / "back" / "name")
        assert (tmp_path / "back" / "name").read_bytes() == content
    assert edge.run(["stat", "-c", "%a", "/new/folder/name"], timeout=60).stdout.strip() == "750"
    edge.run(["ln", "-s", "name", "/new/folder/link"], timeout=60)
    edge.get(PurePosixPath("/new"), tmp_path / "whole")
    assert (tmp_path / "whole" / "folder" / "link").readlink() == Path("name")


def test_a_folder_that_all_may_write_to_stays_so(edge: Connection, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    edge.put(source, PurePosixPath("/tmp/file"))
    assert edge.run(["stat", "-c", "%a", "/tmp"], timeout=60).stdout.strip() == "1777"


def test_a_file_that_is_not_there_is_said_so(edge: Connection, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="edge0: /nothing"):
        edge.get(PurePosixPath("/nothing"), tmp_path / "nothing")


def test_exec_passes_streams_and_status_on(up: Path, docker_daemon: Dockerd) -> None:
    command = program.command("exec", up, "edge0", "--", "sh", "-c", "cat; echo bad >&2; exit 7")
    done = subprocess.run(command, input="word", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "word", "bad\n")


def test_shell_is_a_terminal(up: Path, docker_daemon: Dockerd) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        program.command("shell", up, "edge0"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, b"tty; hostname; exit 3\n")
    said = b""
    with contextlib.suppress(OSError):  # when the other side is closed
        while select.select([ours], [], [], 30)[0] and (piece := os.read(ours, 4096)):
            said += piece
    os.close(ours)
    assert process.wait(30) == 3, said
    assert b"/dev/pts/" in said
    assert b"edge0" in said


def test_processes_without_a_parent_leave_no_zombies(edge: Connection) -> None:
    edge.run(["sh", "-c", "(sleep 0.1 &) ; (true &)"], timeout=60)
    time.sleep(0.5)
    assert "Z" not in edge.run(["ps", "-eo", "stat="], timeout=60).stdout


def test_a_run_measures_what_a_local_run_does(docker_url: str, tmp_path: Path) -> None:
    config = program.config(tmp_path, endpoint=2, duration=3, infrastructure=DOCKER)
    with dockerd.no_leaks(docker_url):
        done = program.run(config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    benchmark = result["benchmark"]
    assert (result["provider"], result["engine"], result["valid"]) == ("docker", "fabric", True)
    assert benchmark["requests"]["completed"] == benchmark["requests"]["sent"] == 60
    assert benchmark["accuracy"] == 1.0
    assert list(benchmark["stages_ms"]) == ["preprocess", "uplink", "queue", "process", "downlink", "other"]
    assert all(node["cpu_percent"] > 0 for node in result["nodes"])
    delivered = {(one["node"], one["workload"]): one for one in result["deliveries"]}
    assert set(delivered) == {("edge0", "worker"), ("endpoint0", "endpoint"), ("endpoint1", "endpoint")}
    assert all(one["install_s"] > 0 and one["start_s"] > 0 for one in delivered.values())
    text = config.read_text().replace(DOCKER, "provider = local")
    (tmp_path / "local.cfg").write_text(text)
    done = program.run("-q", tmp_path / "local.cfg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    both = sorted((tmp_path / "runs").iterdir())
    compared = program.run("compare", *both, cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "uplink" in compared.stdout


def test_a_node_that_is_gone_is_named(docker_url: str, tmp_path: Path) -> None:
    up = program.run("up", program.config(tmp_path, infrastructure=DOCKER), cwd=tmp_path)
    assert up.returncode == 0, up.stderr
    directory = program.run_directory(tmp_path)
    way = open_run.deployment(open_run.load(directory)).connections["edge0"]
    client(docker_url).kill(f"continuum-{directory.name}-edge0")
    with pytest.raises(ConnectionFailure, match="edge0: its container has ended"):
        way.run(["true"], timeout=60)
    client(docker_url).remove_container(f"continuum-{directory.name}-edge0")
    with pytest.raises(ConnectionFailure, match=r"edge0: .*No such container"):
        way.run(["true"], timeout=60)
    assert program.run("down", directory, cwd=tmp_path).returncode == 0


def test_plan_of_containers_creates_nothing(docker_url: str, tmp_path: Path) -> None:
    before = dockerd.names(docker_url)
    done = program.run("plan", program.config(tmp_path, infrastructure=DOCKER), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert dockerd.names(docker_url) == before
