"""Containers where there is cgroup v2 only: a daemon and a run that see nothing else mounted.

The controllers may all be bound to version 1 still; then limits cannot be enforced, which the run must say.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import dockerd
from continuum.host import mounts
from tests.e2e import program

pytestmark = [pytest.mark.root, pytest.mark.providers]

TOP = "/sys/fs/cgroup"
ENTER = (
    *("unshare", "--mount", "sh", "-c"),
    f'umount -l {TOP} && mount -t cgroup2 cgroup2 {TOP} && exec "$@"',
    "sh",
)


def test_a_run_under_version_2_measures_and_says_what_is_not_limited(tmp_path: Path) -> None:
    if lack := dockerd.why_not():
        pytest.skip(lack)
    kinds = {mount.point: mount.kind for mount in mounts.current()}
    if kinds.get(TOP) == "cgroup2":
        return  # as in all other tests of containers
    with dockerd.temporary(ENTER) as daemon:
        config = program.config(
            tmp_path,
            duration=1,
            infrastructure="provider = docker",
            benchmark="application_worker_cpu = 0.5",
        )
        done = subprocess.run(
            [*ENTER, *program.command(config)],
            cwd=tmp_path,
            env={**os.environ, "DOCKER_HOST": daemon.url},
            capture_output=True,
            text=True,
            timeout=program.TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    assert result["benchmark"]["requests"]["completed"] > 0
    assert all(node["cpu_percent"] > 0 for node in result["nodes"])
    assert "workloads have no limits of their own within their containers (cgroup v2)" in done.stdout
    said = subprocess.check_output([*ENTER, "cat", f"{TOP}/cgroup.controllers"], text=True)
    if "memory" not in said.split():
        assert "Docker daemon: Your kernel does not support memory limit" in " ".join(done.stdout.split())
