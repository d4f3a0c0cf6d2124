"""A program whose CLOCK_MONOTONIC is not its node's records readings of the node's clock."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from continuum.sdk import node_clock, protocol, session

AHEAD_NS = 3_600_000_000_000
"""The node of these tests started its clock an hour before the program's."""


@pytest.fixture
def _on_another_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(protocol.ENV_NODE, "cloud1")
    offsets = {"cloud1": node_clock.wall_offset_ns() - AHEAD_NS, "cloud2": 0}
    monkeypatch.setenv(protocol.ENV_WALL_OFFSETS, json.dumps(offsets))


def test_without_the_variable_both_clocks_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(protocol.ENV_WALL_OFFSETS, raising=False)
    assert node_clock.ahead_ns("cloud1") == 0


@pytest.mark.usefixtures("_on_another_clock")
def test_the_nodes_clock_is_found_through_the_wall_clock() -> None:
    assert node_clock.ahead_ns("cloud1") == pytest.approx(AHEAD_NS, abs=10_000_000)


@pytest.mark.usefixtures("_on_another_clock")
def test_events_and_the_start_are_readings_of_the_nodes_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_ns = time.monotonic_ns()
    (tmp_path / protocol.GO_FILE).write_text(json.dumps({"start_ns": begin_ns + AHEAD_NS}))
    with session.join(tmp_path) as joined:
        joined.ready()
        start_ns = joined.wait_go(1)
        joined.record("1", protocol.DUE, start_ns)
    assert start_ns == pytest.approx(begin_ns, abs=10_000_000)
    (event,) = (tmp_path / protocol.EVENTS_FILE).read_text().splitlines()
    assert json.loads(event)[protocol.KEY_CLOCK] == begin_ns + AHEAD_NS
    said = [json.loads(line.removeprefix(protocol.PREFIX)) for line in capsys.readouterr().out.splitlines()]
    stages = next(one[protocol.KEY_INSTANCE_STAGES] for one in said if protocol.KEY_INSTANCE_STAGES in one)
    assert stages[protocol.READY] > AHEAD_NS
