"""Faults with containers: the message names the remedy, and nothing is left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from benchmarks.dockerd import Dockerd
from infrastructure.docker import probe
from infrastructure.docker.engine_api import client
from tests.e2e import program
from tests.e2e.providers import dockerd

pytestmark = [pytest.mark.root, pytest.mark.providers]

DOCKER = "provider = docker"
BENCHMARK_RUNS = r"completed [1-9]"


def test_no_daemon(tmp_path: Path) -> None:
    config = program.config(tmp_path, infrastructure=f"{DOCKER}\ndocker_host = unix://{tmp_path}/none.sock")
    done = program.run(config, cwd=tmp_path)
    assert done.returncode == 3
    assert "no Docker daemon answers at" in done.stderr
    assert "sudo systemctl start docker" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_socket_nobody_listens_at(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/dead.sock")
    config = program.config(tmp_path, infrastructure=f"{DOCKER}\ndocker_host = unix://{tmp_path}/dead.sock")
    done = program.run(config, cwd=tmp_path)
    assert done.returncode == 3
    assert "no Docker daemon answers at" in done.stderr


def test_a_daemon_elsewhere_is_refused(tmp_path: Path) -> None:
    config = program.config(tmp_path, infrastructure=f"{DOCKER}\ndocker_host = tcp://192.0.2.1:2375")
    done = program.run(config, cwd=tmp_path)
    assert done.returncode == 3
    assert "is not on this machine" in done.stderr


def test_no_permission_on_the_socket(docker_url: str) -> None:
    """Asked by a process that has given up root, as another user would be."""
    socket = Path(docker_url.removeprefix("unix://"))
    kept = [(folder, folder.stat().st_mode) for folder in (*socket.parents,) if folder != Path("/")]
    reading, writing = os.pipe()
    try:
        for folder, mode in kept:
            folder.chmod(mode | 0o001)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, probe.unreachable(docker_url).encode())
            os._exit(0)
        os.waitpid(pid, 0)
    finally:
        for folder, mode in kept:
            folder.chmod(mode)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    assert "this user has no access to" in text
    assert "usermod -aG docker" in text


def test_an_image_that_cannot_be_had(docker_url: str, tmp_path: Path) -> None:
    image = "docker_image = 127.0.0.1:9/no/such:image"
    with dockerd.no_leaks(docker_url):
        done = program.run(program.config(tmp_path, infrastructure=f"{DOCKER}\n{image}"), cwd=tmp_path)
    assert done.returncode == 4
    assert "image 127.0.0.1:9/no/such:image is not on this machine and cannot be pulled" in done.stderr
    assert "continuum image build --provider docker" in done.stderr


def test_a_node_at_its_memory_limit_is_named(docker_url: str, tmp_path: Path) -> None:
    config = program.config(tmp_path, duration=2, request_timeout="10 s", infrastructure=DOCKER)
    config.write_text(config.read_text().replace("edge_memory = 512 MiB", "edge_memory = 40 MiB"))
    with dockerd.no_leaks(docker_url):
        done = program.run(config, cwd=tmp_path)
    assert done.returncode in {5, 6, 7}
    reasons = program.result(tmp_path)["invalid_reasons"]
    assert any("edge0 reached its memory limit of 40 MB" in reason for reason in reasons), reasons


def test_a_container_killed_in_a_run_is_named(docker_url: str, tmp_path: Path) -> None:
    config = program.config(tmp_path, endpoint=2, duration=4, infrastructure=DOCKER, request_timeout="2 s")
    with dockerd.no_leaks(docker_url), program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        client(docker_url).kill(f"continuum-{program.run_directory(tmp_path).name}-endpoint1")
        assert process.wait(program.TIMEOUT_S) in {5, 6, 7}
    said = (tmp_path / "stderr").read_text()
    result = program.result(tmp_path)
    assert "Traceback" not in said
    assert not result["valid"]
    assert any("endpoint1" in reason for reason in result["invalid_reasons"]), result["invalid_reasons"]
    assert result["benchmark"]["requests"]["completed"] > 0


def test_a_daemon_restarted_in_a_run_ends_it_in_words(
    docker_daemon: Dockerd, docker_url: str, tmp_path: Path
) -> None:
    config = program.config(tmp_path, duration=30, request_timeout="10 s", infrastructure=DOCKER)
    with program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        docker_daemon.stop()
        status = process.wait(program.TIMEOUT_S)
        docker_daemon.start()
    done = program.run("destroy", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert dockerd.names(docker_url) == []
    said = (tmp_path / "stderr").read_text()
    assert status in {4, 5, 6, 7}
    assert "Traceback" not in said
    # The node that was missed first is in the message, or among the reasons if its process was missed.
    named = "\n".join([said, *program.result(tmp_path)["invalid_reasons"]])
    assert "edge0" in named or "endpoint0" in named, named
    assert "may remain: no Docker daemon answers" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_containers_are_made_leaves_none(
    docker_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    config = program.config(tmp_path, endpoint=8, duration=1, infrastructure=DOCKER)
    with dockerd.no_leaks(docker_url), program.started(config, cwd=tmp_path) as process:
        program.wait_for("  probe ", tmp_path, process)
        deadline = time.monotonic() + 30
        while not dockerd.names(docker_url):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(program.TIMEOUT_S) == 130


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [4, pytest.param(10, marks=pytest.mark.long)])
def test_kill_at_random_moments_leaves_nothing_after_destroy_all(
    docker_url: str, tmp_path: Path, times: int
) -> None:
    moments = random.Random(7).sample(range(300, 6000), times)
    config = program.config(tmp_path, endpoint=3, duration=1, infrastructure=DOCKER)
    with dockerd.no_leaks(docker_url):
        for moment_ms in moments:
            with program.started(config, cwd=tmp_path) as process:
                time.sleep(moment_ms / 1000)
                os.kill(process.pid, signal.SIGKILL)
            done = program.run("destroy", "--all", cwd=tmp_path)
            assert done.returncode == 0, f"killed after {moment_ms} ms: {done.stderr}"
            assert dockerd.names(docker_url) == [], f"killed after {moment_ms} ms"


def test_what_has_lost_its_folder_is_found_by_its_label(docker_url: str, tmp_path: Path) -> None:
    with dockerd.no_leaks(docker_url):
        up = program.run("up", program.config(tmp_path, infrastructure=DOCKER), cwd=tmp_path)
        assert up.returncode == 0, up.stderr
        shutil.rmtree(program.run_directory(tmp_path))
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert dockerd.names(docker_url) == []


def test_two_runs_at_once_do_not_disturb_each_other(docker_url: str, tmp_path: Path) -> None:
    first, second = (program.config(tmp_path, infrastructure=DOCKER, name=name) for name in ("one", "two"))
    ups = [program.run("up", config, cwd=tmp_path) for config in (first, second)]
    ids = [up.stdout.split()[-1] for up in ups]
    assert program.run("down", ids[0], cwd=tmp_path).returncode == 0
    assert dockerd.names(docker_url) == [f"continuum-{ids[1]}-{node}" for node in ("edge0", "endpoint0")]
    ping = ("exec", ids[1], "endpoint0", "--", "ping", "-c", "1", "-w", "10", "edge0")
    assert program.run(*ping, cwd=tmp_path).returncode == 0
    assert program.run("down", ids[1], cwd=tmp_path).returncode == 0


def test_destroying_twice_is_harmless(docker_url: str, tmp_path: Path) -> None:
    up = program.run("up", program.config(tmp_path, infrastructure=DOCKER), cwd=tmp_path)
    run_id = up.stdout.split()[-1]
    for _ in range(2):
        assert program.run("destroy", run_id, cwd=tmp_path).returncode == 0
