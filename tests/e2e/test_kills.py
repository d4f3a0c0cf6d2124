"""``kill -9`` at random moments, of every kind of process: nothing is left after ``destroy --all``."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from continuum.network.fabric import ending
from infrastructure.local import processes
from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(1200)]

TIMES = [3, pytest.param(40, marks=pytest.mark.long)]

SLOW = "edge_quota = 0.5\nendpoint_quota = 0.3"
"""Nodes that are stopped now and then, because their processors are slow."""


@pytest.mark.parametrize("times", [6, pytest.param(40, marks=pytest.mark.long)])
def test_the_orchestrator_is_killed(tmp_path: Path, times: int) -> None:
    moments = random.Random(20).sample(range(5000), times)
    config = program.config(tmp_path, duration=1, infrastructure=SLOW)
    with no_leaks():
        # Two runs at a time, because moments are mostly waited for.
        for first_ms, second_ms in zip(*[iter(moments)] * 2, strict=True):
            sooner_ms, later_ms = sorted((first_ms, second_ms))
            with program.started(config, cwd=tmp_path) as one, program.started(config, cwd=tmp_path) as other:
                time.sleep(sooner_ms / 1000)
                os.kill(one.pid, signal.SIGKILL)
                time.sleep((later_ms - sooner_ms) / 1000)
                os.kill(other.pid, signal.SIGKILL)
            done = program.run("destroy", "--all", cwd=tmp_path)
            assert done.returncode == 0, f"killed after {sooner_ms} and {later_ms} ms: {done.stderr}"
    for nodes in tmp_path.glob("runs/*/nodes"):
        assert not nodes.exists()


def of_fabric(run_id: str) -> Iterator[int]:
    yield from ending.processes(run_id)


def of_keeper(run_id: str) -> Iterator[int]:
    yield from (one.pid for one in processes.labelled(run_id) if one.name == processes.MAIN_KEEPER)


def of_pace(run_id: str) -> Iterator[int]:
    """The process that slows down nodes, which are stopped most of the time."""
    for pid in (one.pid for one in processes.labelled(run_id)):
        with suppress(OSError):
            if b"/host/pace\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield pid


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize(
    ("victims", "after", "within_ms"),
    [(of_fabric, None, 5000), (of_keeper, None, 5000), (of_pace, "  shape ", 2000)],
)
def test_what_a_run_needs_is_killed(
    tmp_path: Path,
    victims: Callable[[str], Iterator[int]],
    after: str | None,
    within_ms: int,
    times: int,
) -> None:
    killed = 0
    for number, moment_ms in enumerate(random.Random(21).sample(range(300, within_ms), times)):
        folder = tmp_path / str(number)
        folder.mkdir()
        config = program.config(folder, duration=1, request_timeout="2 s", infrastructure=SLOW)
        with no_leaks():
            with program.started(config, cwd=folder) as process:
                if after:
                    program.wait_for(after, folder, process)
                time.sleep(moment_ms / 1000)
                for run_id in (path.name for path in folder.glob("runs/2*")):
                    for pid in [*victims(run_id)]:
                        killed += 1
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                status = process.wait(program.TIMEOUT_S)
            destroy_all(folder, moment_ms)
        assert status or victims is not of_pace, "nodes were not as slow as they should be"
        said = (folder / "stderr").read_text()
        assert "Traceback" not in said
        if victims is of_fabric and "deploy     FAILED" in said:
            assert "the network engine (fabric) has ended" in said
    assert killed


@pytest.mark.parametrize("times", TIMES)
def test_destroy_is_killed(tmp_path: Path, times: int) -> None:
    for moment_ms in random.Random(22).sample(range(1000), times):
        with no_leaks():
            up = program.run("up", program.config(tmp_path, endpoint=3, infrastructure=SLOW), cwd=tmp_path)
            assert up.returncode == 0, up.stderr
            with subprocess.Popen(program.command("destroy", "--all"), cwd=tmp_path) as destroy:
                time.sleep(moment_ms / 1000)
                destroy.kill()
            destroy_all(tmp_path, moment_ms)


def destroy_all(folder: Path, moment_ms: int) -> None:
    done = program.run("destroy", "--all", cwd=folder)
    assert done.returncode == 0, f"killed after {moment_ms} ms: {done.stderr}"
