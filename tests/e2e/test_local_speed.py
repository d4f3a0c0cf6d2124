"""Processors of local nodes that are slower than this host's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from continuum.errors import ProvisionError
from continuum.host.cgroup import find, group_plan
from continuum.model.limits import Limits
from infrastructure.local import calibration, pacing
from infrastructure.local.provider import NODE_FILES
from tests.e2e.local_nodes import Nodes, nodes

LAYOUT = find.layout((*find.ALL, *group_plan.PACING)) if os.geteuid() == 0 else None

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        LAYOUT is None or not LAYOUT.has("freezer"), reason="no control groups that can stop nodes"
    ),
]
DEADLINE_S = 60
SPIN = "while True: pass"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Nodes]:
    with nodes(tmp_path, more="endpoint_quota = 0.25") as existing:
        existing.provider.enforce(existing.nodes, existing.run)
        yield existing


def state(made: Nodes) -> dict[str, int]:
    return dict(json.loads((made.run.directory / NODE_FILES / pacing.STATE).read_text()))


def test_short_work_is_slow(made: Nodes) -> None:
    """Without pacing, the quota lets 2 ms of work pass at full speed; other work can only make it slower."""
    here = [sys.executable, "-I", "-S", str(calibration.PROGRAM)]
    units = int(subprocess.run([*here, "2"], capture_output=True, check=True, timeout=DEADLINE_S).stdout)
    done = made["endpoint0"].run([*here, f"{units},15", "--"], timeout=DEADLINE_S)
    (durations_ms,) = json.loads(done.stdout)
    assert median(durations_ms) > 0.5 * 2 / 0.25


def test_speed_is_recorded(made: Nodes) -> None:
    assert made.run.records("processors") == (), "no load follows, so that nobody needs it"
    calibration.calibrate(made.nodes, made.run, paced=True)
    (row,) = made.run.records("processors")
    assert (row["tier"], row["speed"], row["paced"]) == ("endpoint", 0.25, True)
    assert [one["work_ms"] for one in row["bursts"]] == [1, 4, 20]
    assert made.run.notes() == ()


def test_fast_nodes_need_no_process(tmp_path: Path) -> None:
    with nodes(tmp_path) as made:
        made.provider.enforce(made.nodes, made.run)
        assert not (made.run.directory / NODE_FILES / pacing.STATE).exists()
        assert made.run.records("processors") == ()


def test_cpu_time_of_slowing_is_known_until_it_ends(made: Nodes) -> None:
    made["endpoint0"].run(["{python}", "-c", "for _ in range(10**6): pass"], timeout=DEADLINE_S)
    assert made.provider.strain(made.nodes, made.run)["endpoint0"].emulation_seconds >= 0
    os.kill(state(made)["pid"], signal.SIGTERM)
    os.waitpid(state(made)["pid"], 0)
    with pytest.raises(ProvisionError, match="makes nodes slow has ended"):
        made.provider.strain(made.nodes, made.run)


def test_stopped_nodes_are_destroyed_after_the_process_was_killed(made: Nodes, tmp_path: Path) -> None:
    made["endpoint0"].start(["{python}", "-c", SPIN], env={}, log=tmp_path / "log", limits=Limits())
    os.kill(state(made)["pid"], signal.SIGKILL)
    groups = [Path(node.handle["groups"]["paths"]["freezer"]) for node in made.nodes]
    for group in groups:
        (group / "freezer.state").write_text("FROZEN")
    made.destroy()
    assert not any(group.parent.exists() for group in groups)


def test_destroy_leaves_nothing(made: Nodes) -> None:
    pid = state(made)["pid"]
    made.destroy()
    os.waitpid(pid, 0)
    assert not [path for path in find.all_runs_groups() if path.name.endswith(made.run.id)]
