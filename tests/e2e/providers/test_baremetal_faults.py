"""Runs on hosts of one's own that end before their time: hosts are as they were after ``destroy --all``."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import program, sshd
from tests.e2e.leaks import no_leaks
from tests.e2e.providers import hosts as making
from tests.e2e.providers.hosts import Hosts, config

pytestmark = [
    pytest.mark.root,
    pytest.mark.providers,
    pytest.mark.skipif(bool(sshd.WHY_NOT), reason=sshd.WHY_NOT),
]

SLEEP = """
[benchmark]
application = empty
applications_per_worker = 2
sleep_time = 1
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with making.two(tmp_path_factory.mktemp("hosts")) as made:
        yield made


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for temporary files whose path leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        yield Path(name)


def test_instances_run_on_hosts(tmp_path: Path, hosts: Hosts) -> None:
    done = program.run(config(tmp_path, hosts, SLEEP, alone=False), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lives = program.result(tmp_path)["lifecycle"]
    assert lives["reached"] == dict.fromkeys(("created", "started", "ready", "finished"), 2)
    for node in ("cloud0", "endpoint0"):
        assert hosts.on(node, "ls /var/lib/continuum 2>/dev/null").split() in ([], ["packages"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [4, pytest.param(10, marks=pytest.mark.long)])
def test_kill_at_random_moments_leaves_nothing_after_destroy_all(
    tmp_path: Path, hosts: Hosts, short_folder: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    path = config(tmp_path, hosts, SLEEP, alone=False)
    monkeypatch.setenv("TMPDIR", str(short_folder))
    begun = time.monotonic()
    assert program.run(path, cwd=tmp_path, timeout_s=300).returncode == 0
    took_s = time.monotonic() - begun
    nodes = ("cloud0", "endpoint0")
    before = [hosts.left(node) for node in nodes]
    for number, share in enumerate(random.Random(7).sample(range(2, 100), times)):
        if number % 2:  # half of them have the workload's package to bring, too
            for node in nodes:
                hosts.on(node, "rm -rf /var/lib/continuum/packages")
        with no_leaks("processes"), program.started(path, cwd=tmp_path) as process:
            time.sleep(took_s * share / 100)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            done = program.run("destroy", "--all", cwd=tmp_path, timeout_s=300)
        assert done.returncode == 0, f"killed at {share} %: {done.stderr}"
        assert [hosts.left(node) for node in nodes] == before, f"killed at {share} %"
        assert not list(short_folder.glob("continuum-ssh-*")), f"killed at {share} %"
