"""Workloads in gVisor and crun on Docker nodes: they run in that runtime, on the clocks of their nodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.pipeline import open_run
from tests.e2e import program
from tests.e2e.providers import dockerd
from tests.e2e.providers.test_kubernetes import ALONE, write

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.long, pytest.mark.timeout(600)]

MANAGER = registry.resource_manager("kubernetes")
CODE = """
import pathlib, subprocess, time
from continuum.sdk import session
with session.join() as joined:
    joined.record('1', 'due', kernel=pathlib.Path('/proc/version').read_text())
    joined.ready()
    joined.stopping.wait()
"""


@pytest.mark.parametrize("runtime", ["runsc", "crun"])
def test_a_pod_runs_in_its_runtime_and_reads_the_clock_of_its_node(
    docker_url: str,
    kubernetes_image: str,
    cluster_artifacts: Path,
    gvisor_artifacts: Path,
    tmp_path: Path,
    runtime: str,
) -> None:
    config = write(tmp_path, kubernetes_image, cluster_artifacts, f"{ALONE}\nruntime = {runtime}")
    with dockerd.no_leaks(docker_url):
        done = program.run("up", config, cwd=tmp_path, timeout_s=500)
        assert done.returncode == 0, done.stderr
        run = open_run.load(program.run_directory(tmp_path))
        try:
            deployment = open_run.deployment(run)
            worker = deployment.connections["cloud1"]
            python = deployment.node("cloud1").python
            clock = [python, "-c", "import time; print(time.monotonic_ns())"]
            before_ns = int(worker.run(clock, timeout=30).stdout)
            workload = Workload("clock", "cloud", ("{python}", "-c", CODE), serves=True, memory_mb=128)
            made = MANAGER.submit(workload, deployment, run)
            try:
                made.wait_ready(60)
                running = worker.run(["ctr", "-n", "k8s.io", "containers", "ls"], timeout=30).stdout
                made.stop(5)
                made.fetch(tmp_path)
            finally:
                made.cancel()
            after_ns = int(worker.run(clock, timeout=30).stdout)
        finally:
            done = program.run("down", run.directory, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "cloud1" / "clock-0" / "events.jsonl").read_text().splitlines()
    event = json.loads(line)
    assert before_ns < event["t"] < after_ns, "its clock is not that of its node"
    kernel = event["d"]["kernel"]
    if runtime == "runsc":
        assert "gVisor" in kernel or "4.4.0" in kernel, kernel
        assert "io.containerd.runsc.v1" in running
    else:
        assert "io.containerd.runc.v2" in running
