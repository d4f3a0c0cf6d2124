"""What goes wrong while a run is under way: it is noticed, said, and leaves nothing."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = pytest.mark.root

PHASES = (
    "probe", "provision", "install", "deploy", "shape", "verify", "benchmark", "collect", "analyse", "report",
)  # fmt: skip
AFTER_BENCHMARK = PHASES[PHASES.index("benchmark") + 1 :]
BENCHMARK_RUNS = r"completed [1-9]"
"""What the program says once the first requests have been answered."""


def _kill_on_node(tmp_path: Path, node: str, program_name: str) -> None:
    """Kill a workload from inside its node, as its own machine's kernel would."""
    run_id = program.run_directory(tmp_path).name
    done = program.run("exec", run_id, node, "--", "pkill", "-9", "-f", program_name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_worker_that_dies_makes_the_run_invalid(tmp_path: Path) -> None:
    config = program.config(tmp_path, duration=8, request_timeout="1 s")
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        _kill_on_node(tmp_path, "edge0", "application.video.worker")
        assert process.wait(program.TIMEOUT_S) in {6, 7}
    result = program.result(tmp_path)
    requests = result["benchmark"]["requests"]
    assert not result["valid"]
    assert any("worker" in reason and "edge0" in reason for reason in result["invalid_reasons"])
    assert requests["lost"] + requests["failed"] > 0
    assert requests["completed"] + requests["lost"] + requests["failed"] == requests["sent"] == 80


@pytest.mark.slow
def test_an_endpoint_that_dies_makes_the_run_invalid(tmp_path: Path) -> None:
    config = program.config(tmp_path, endpoint=2, duration=8)
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        _kill_on_node(tmp_path, "endpoint1", "application.video.endpoint")
        assert process.wait(program.TIMEOUT_S) in {6, 7}
    result = program.result(tmp_path)
    assert any("endpoint1" in reason for reason in result["invalid_reasons"])
    assert result["benchmark"]["requests"]["completed"] >= 80


@pytest.mark.slow
def test_a_link_that_is_cut_loses_requests_and_hangs_nothing(tmp_path: Path) -> None:
    # Long enough for the command that cuts it, however busy the test machine is.
    config = program.config(tmp_path, duration=15, request_timeout="10 s")
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        run_id = program.run_directory(tmp_path).name
        cut = program.run("link", run_id, "endpoint-edge", "--loss", 100, cwd=tmp_path)
        assert cut.returncode == 0, cut.stderr
        process.wait(program.TIMEOUT_S)
    requests = program.result(tmp_path)["benchmark"]["requests"]
    assert requests["completed"] > 0
    assert requests["lost"] > 0
    assert requests["completed"] + requests["lost"] + requests["failed"] == requests["sent"] == 150


@pytest.mark.slow
def test_a_node_at_its_memory_limit_is_named(tmp_path: Path) -> None:
    config = program.config(tmp_path, duration=2, request_timeout="10 s")
    text = config.read_text().replace("edge_memory = 512 MiB", "edge_memory = 40 MiB")
    config.write_text(text)
    with no_leaks():
        done = program.run(config, cwd=tmp_path)
    assert done.returncode in {5, 6, 7}
    assert "edge0" in done.stderr
    reasons = program.result(tmp_path)["invalid_reasons"]
    assert any("edge0 reached its memory limit of 40 MB" in reason for reason in reasons), reasons


def test_a_full_disk_ends_the_run_in_words(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        config = program.config(tmp_path, duration=2, infrastructure=f"base_path = {disk}")
        with no_leaks():
            done = program.run(config, cwd=tmp_path)
        assert done.returncode in {3, 4, 5, 6}
        assert "No space left on device" in done.stderr
        assert str(disk) in done.stderr
        assert "MB free there" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "number"),
    [
        *((phase, signal.SIGINT) for phase in PHASES if phase not in AFTER_BENCHMARK),
        *(pytest.param(phase, signal.SIGINT, marks=pytest.mark.slow) for phase in AFTER_BENCHMARK),
        ("provision", signal.SIGTERM),
        ("verify", signal.SIGTERM),
        ("provision", signal.SIGQUIT),
        ("verify", signal.SIGHUP),
        pytest.param("benchmark", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_signal_in_any_phase_tears_down_once(tmp_path: Path, phase: str, number: signal.Signals) -> None:
    config = program.config(tmp_path, duration=2)
    before = {"benchmark": BENCHMARK_RUNS}.get(phase) or {
        later: f"  {earlier} " for earlier, later in zip(("check", *PHASES), PHASES, strict=False)
    }[phase]
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(before, tmp_path, process)
        process.send_signal(number)
        status = process.wait(program.TIMEOUT_S)
    said = (tmp_path / "stderr").read_text()
    assert "Traceback" not in said
    # From `collect` on a signal finds the run at its end already: it may finish.
    assert status == 130 or (phase in AFTER_BENCHMARK and status == 0), said
    assert said.count("teardown") <= 1


@pytest.mark.slow
def test_destroy_all_leaves_runs_in_use_alone(tmp_path: Path) -> None:
    config = program.config(tmp_path, duration=3)
    with program.started(config, cwd=tmp_path) as process:
        program.wait_for(BENCHMARK_RUNS, tmp_path, process)
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 2
        assert "in use by process" in done.stderr
        assert process.wait(program.TIMEOUT_S) == 0


def test_what_has_lost_its_folder_is_found_by_its_label(tmp_path: Path) -> None:
    import shutil

    with no_leaks():
        up = program.run("up", program.config(tmp_path), cwd=tmp_path)
        assert up.returncode == 0, up.stderr
        shutil.rmtree(program.run_directory(tmp_path))
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
