"""The application ``empty``: what it asks to be run, and where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from application.empty import Empty
from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError
from continuum.measure import trace
from continuum.model import events

START = "[infrastructure]\nprovider = local\n"
BENCH = "[benchmark]\napplication = empty\napplications_per_worker = 3\nsleep_time = 2\n"


def tier(name: str, nodes: int = 1) -> str:
    return f"{name}_nodes = {nodes}\n{name}_cores = 1\n{name}_memory = 1\n"


@pytest.mark.parametrize(
    ("tiers", "chosen"),
    [(("cloud", "endpoint"), "cloud"), (("endpoint", "edge"), "edge"), (("endpoint",), "endpoint")],
)
def test_instances_run_on_the_first_tier_there_is(tiers: tuple[str, ...], chosen: str) -> None:
    read = config.parse(START + "".join(tier(name, 2) for name in tiers) + BENCH)
    planned = topology_builder.from_config(read)
    (workload,) = Empty().workloads(read, planned)
    assert (workload.tier, workload.replicas_per_node, workload.serves) == (chosen, 3, False)
    assert Empty().servers(read, planned) == 6
    assert Empty().duration_s(read) == 2
    assert Empty().load(read) == {"sleep_time": 2, "applications_per_worker": 3}


def test_a_tier_of_ones_own_will_do() -> None:
    read = config.parse(START + BENCH + "[tier fog]\nnodes = 1\ncores = 1\nmemory = 1\n")
    (workload,) = Empty().workloads(read, topology_builder.from_config(read))
    assert workload.tier == "fog"


def test_limits_are_those_of_the_config() -> None:
    more = "application_worker_cpu = 0.1\napplication_worker_memory = 64 MiB\n"
    read = config.parse(START + tier("cloud") + BENCH + more)
    (workload,) = Empty().workloads(read, topology_builder.from_config(read))
    assert (workload.cpu_cores, workload.memory_mb) == (0.1, 64)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (BENCH.replace("= 2", "= 0"), "sleep_time"),
        (BENCH + "application_worker_memory = 4 MiB\n", "an instance requires 16 MiB"),
    ],
)
def test_what_cannot_work_is_refused(more: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        config.parse(START + tier("cloud") + more)


def test_keys_of_the_framework_are_understood() -> None:
    framework = "resource_manager = none\nsleep_time = 60\napplication_worker_cpu = 0.5\n"
    read = config.parse(START + tier("cloud") + f"[benchmark]\napplication = empty\n{framework}")
    assert read.warnings == ()


def test_an_instance_sleeps_from_the_common_start_on(tmp_path: Path) -> None:
    program = Path(__file__).parents[3] / "application" / "empty" / "sleeper.py"
    folder = tmp_path / "cloud0" / "sleeper-0"
    folder.mkdir(parents=True)
    (folder / "go").write_text(json.dumps({"start_ns": 0}))
    checkout = str(program.parents[2])
    environment = {"SECONDS": "0.2", "CONTINUUM_NODE": "cloud0", "PYTHONPATH": checkout}
    subprocess.run([sys.executable, str(program)], cwd=folder, env=environment, check=True, timeout=60)
    traced = trace.build(events.read(tmp_path), Empty.stages)
    (request,) = traced.requests
    assert (request.outcome, request.worker) == ("completed", "cloud0")
    assert request.spans_ns["sleep"] >= 200_000_000
