"""Instances that sleep, on real nodes: their lifecycle is in the result, table and page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = pytest.mark.root

TEXT = (
    """
[infrastructure]
cloud_nodes = 2
cloud_cores = 1
cloud_memory = 512 MiB
network_emulation = False
[benchmark]
application = empty
applications_per_worker = 3
sleep_time = 1
[run]
tolerance = 100 %, 500 ms
"""
    + program.TOLERATED
    + "\n"
)


@pytest.mark.slow
def test_lives_of_instances_are_told(tmp_path: Path) -> None:
    config = tmp_path / "empty.cfg"
    config.write_text(TEXT)
    with no_leaks():
        done = program.run(config, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    lives = result["lifecycle"]
    assert lives["stages"] == ["created", "started", "ready", "finished"]
    assert set(lives["reached"].values()) == {lives["instances"]} == {6}
    since = lives["since_created_ms"]
    assert 0 < since["started"]["p50"] <= since["ready"]["p50"]
    assert since["finished"]["p50"] >= since["ready"]["p50"] + 1000
    assert result["benchmark"]["requests"]["completed"] == 6
    assert result["benchmark"]["stages_ms"]["sleep"]["p50"] >= 1000
    directory = program.run_directory(tmp_path)
    with (directory / "instances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["instance"] for row in rows) == [
        f"cloud{node}/sleeper-{number}" for node in (0, 1) for number in (0, 1, 2)
    ]
    assert (directory / "plots" / "instances.png").is_file()
    assert 'class="instances"' in (directory / "report.html").read_text()
    shown = program.run("report", directory, cwd=tmp_path)
    assert "Instances: time since creation" in shown.stdout
