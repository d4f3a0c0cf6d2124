"""The application ``stress``: like ``empty``, but its instances compute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from application.stress import Stress
from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError
from continuum.measure import trace
from continuum.model import events

NODES = "[infrastructure]\nprovider = local\ncloud_nodes = 2\ncloud_cores = 1\ncloud_memory = 1\n"
BENCH = "[benchmark]\napplication = stress\napplications_per_worker = 3\nstress_app_timeout = 2\n"


def test_each_instance_computes_as_long_as_the_config_says() -> None:
    read = config.parse(NODES + BENCH)
    (workload,) = Stress().workloads(read, topology_builder.from_config(read))
    assert (workload.name, workload.tier, workload.replicas_per_node) == ("stresser", "cloud", 3)
    assert workload.environment["SECONDS"] == "2.0"
    assert Stress().load(read) == {"stress_app_timeout": 2, "applications_per_worker": 3}
    assert Stress().duration_s(read) == 2


def test_the_shortest_time_is_a_second() -> None:
    with pytest.raises(ConfigError, match="stress_app_timeout"):
        config.parse(NODES + BENCH.replace("= 2", "= 0"))


def test_an_instance_uses_a_processor(tmp_path: Path) -> None:
    folder = tmp_path / "cloud0" / "stresser-0"
    folder.mkdir(parents=True)
    (folder / "go").write_text(json.dumps({"start_ns": 0}))
    checkout = str(Path(__file__).parents[3])
    environment = {"SECONDS": "0.5", "CONTINUUM_NODE": "cloud0", "PYTHONPATH": checkout}
    before = os.times()
    subprocess.run([sys.executable, str(Stress.program)], cwd=folder, env=environment, check=True, timeout=60)
    after = os.times()
    traced = trace.build(events.read(tmp_path), Stress.stages)
    (request,) = traced.requests
    assert (request.outcome, request.worker) == ("completed", "cloud0")
    assert request.spans_ns["compute"] >= 500_000_000
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert used_s > 0.1, "it does not compute"
