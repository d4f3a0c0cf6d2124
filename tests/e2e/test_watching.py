"""What disturbs a run while its load runs makes it invalid, with the reason and the second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from continuum.network.fabric import ending
from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = [pytest.mark.root, pytest.mark.slow]

BENCHMARK_RUNS = r"completed [1-9]"
STRICT = program.TOLERANCES.replace("tolerated_stall = 10 s", "tolerated_stall = 500 ms")
FLOOD = (
    "import socket\nflood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "for _ in range(3000): flood.sendto(b'x', ('edge0', 9))"
)


@contextmanager
def load(tmp_path: Path, tolerances: str = program.TOLERANCES, duration: float = 8) -> Iterator[str]:
    """The id of a run whose first requests have been answered; returns when it has ended as invalid."""
    config = program.config(tmp_path, duration=duration, request_timeout="2 s", tolerances=tolerances)
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        yield program.run_directory(tmp_path).name
        status = process.wait(program.TIMEOUT_S)
    assert status == 7, (tmp_path / "stderr").read_text()


def disturbances(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    """Disturbances of a kind; each is a reason for an invalid run and has a time during the load."""
    result = program.result(tmp_path)
    during = result["fidelity"]["during"]
    assert not result["valid"]
    found = [one for one in during["disturbances"] if one["kind"] == kind]
    for one in found:
        assert any(one["what"] in reason for reason in result["invalid_reasons"])
        assert 0 <= one["at_s"] <= during["seconds"]
    return found


def fabric_of(run_id: str) -> int:
    (pid,) = ending.processes(run_id)
    return pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_network_engine_that_dies_makes_the_run_invalid(tmp_path: Path) -> None:
    with load(tmp_path) as run_id:
        os.kill(fabric_of(run_id), signal.SIGKILL)
    (found,) = disturbances(tmp_path, "engine_dead")
    assert "network engine (fabric) has died" in found["what"]
    assert found["at_s"] > 0


def test_a_network_engine_that_stalls_makes_the_run_invalid(tmp_path: Path) -> None:
    with load(tmp_path, STRICT) as run_id, stopped(fabric_of(run_id)):
        time.sleep(1.5)
    (found, *_) = disturbances(tmp_path, "engine_stalled")
    assert "tolerated: 500 ms" in found["what"]
    during = program.result(tmp_path)["fidelity"]["during"]
    assert during["longest_stall_ms"] > 1000
    assert max(one["engine_delay_ms"] or 0 for one in during["readings"]) > 1000


def test_a_link_that_is_changed_makes_the_run_invalid(tmp_path: Path) -> None:
    # Long enough for the command, however busy the test machine is.
    with load(tmp_path, duration=12) as run_id:
        changed = program.run("link", run_id, "endpoint->edge", "--latency", "70ms", cwd=tmp_path)
        assert changed.returncode == 0, changed.stderr
    (found,) = disturbances(tmp_path, "link_changed")
    assert found["what"] == "link endpoint -> edge was changed: delay 7.5 to 70 ms"
    assert program.result(tmp_path)["fidelity"]["during"]["link_changes"] == 1


def test_packets_that_the_engine_cannot_read_make_the_run_invalid(tmp_path: Path) -> None:
    with load(tmp_path, duration=12) as run_id, stopped(fabric_of(run_id)):
        flood = program.run("exec", run_id, "endpoint0", "--", sys.executable, "-c", FLOOD, cwd=tmp_path)
        assert flood.returncode == 0, flood.stderr
    (found,) = disturbances(tmp_path, "packets_dropped")
    assert "from endpoint0 were dropped before the network engine could read them" in found["what"]
    nodes = {node["name"]: node for node in program.result(tmp_path)["fidelity"]["during"]["nodes"]}
    assert nodes["endpoint0"]["unread_packets"] > 1000


def test_packets_that_the_engine_holds_up_make_the_run_invalid(tmp_path: Path) -> None:
    tolerances = program.TOLERANCES.replace("tolerated_delay = 100 %, 10 s", "tolerated_delay = 2 %, 50 ms")
    with load(tmp_path, tolerances) as run_id:
        for _ in range(4):
            with stopped(fabric_of(run_id)):
                time.sleep(0.4)
            time.sleep(0.2)
    (found, *_) = disturbances(tmp_path, "delay")
    assert "sentinel probes" in found["what"]
    assert "ms more" in found["what"]
    sentinels = program.result(tmp_path)["fidelity"]["during"]["sentinels"]
    assert {(one["src"], one["dst"]) for one in sentinels} == {("edge", "endpoint"), ("endpoint", "edge")}
    assert all(one["error_max_ms"] > 50 for one in sentinels)


def test_other_processes_on_the_host_make_the_run_invalid(tmp_path: Path) -> None:
    tolerances = program.TOLERANCES.replace("tolerated_foreign_cpu = 100 %", "tolerated_foreign_cpu = 5 %")
    with load(tmp_path, tolerances), ExitStack() as hogs:
        for _ in range(1 + len(os.sched_getaffinity(0)) // 4):
            hog = hogs.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            hogs.callback(hog.kill)
        time.sleep(3)
    (found, *_) = disturbances(tmp_path, "foreign_cpu")
    assert "processes that are not part of the run used" in found["what"]
    readings = program.result(tmp_path)["fidelity"]["during"]["readings"]
    assert max(one["foreign_cpu_percent"] for one in readings) > 5


def test_an_undisturbed_run_is_valid(tmp_path: Path) -> None:
    with no_leaks():
        done = program.run(program.config(tmp_path, duration=3), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    during = result["fidelity"]["during"]
    assert result["valid"]
    assert during["disturbances"] == []
    assert during["engine_checks"] > 5
    assert {(one["src"], one["dst"]) for one in during["links"]} >= {
        ("edge", "endpoint"),
        ("endpoint", "edge"),
    }
    assert all(one["packets"] > 0 and one["lost"] == 0 for one in during["links"])
    assert {node["name"]: node["unread_packets"] for node in during["nodes"]} == {"edge0": 0, "endpoint0": 0}
    assert len(during["readings"]) >= 3
    assert all(one["probes"] > 10 for one in during["sentinels"])
    assert all(one["delay_p50_ms"] > 1 for one in during["sentinels"])
