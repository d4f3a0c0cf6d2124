"""What a program says to the orchestrator and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from continuum.model import events
from continuum.model.events import Event
from continuum.sdk import session as workload

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTINUUM_NODE", "edge1")
    monkeypatch.setenv("CONTINUUM_WORKLOAD", "worker")
    monkeypatch.setenv("CONTINUUM_REPLICA", "2")
    folder = tmp_path / "edge1" / "worker-2"
    folder.mkdir(parents=True)
    return folder


def test_events_are_what_the_core_reads(folder: Path) -> None:
    with workload.join(folder) as session:
        session.record("r1", "queue", 17, queue_depth=3)
        session.flush()
        before_ns = time.monotonic_ns()
        session.record("r1", "process")
    first, second = events.read(folder.parent.parent)
    assert first == Event("r1", "queue", "edge1", 17, {"queue_depth": 3})
    assert (second.stage, second.detail) == ("process", {})
    assert before_ns <= second.clock_ns <= time.monotonic_ns()


def test_a_torn_last_line_is_counted_and_costs_no_other(folder: Path) -> None:
    with workload.join(folder) as session:
        session.record("r1", "done", 17)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"r":"r2","s":"do')
    assert [event.stage for event in events.read(folder.parent.parent)] == ["done", "unreadable"]


def test_lines_on_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with workload.join(folder) as session:
        session.ready()
        session.progress(sent=3, completed=2, p50_ms=None)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("continuum: ") for line in lines)
    said = [json.loads(line.removeprefix("continuum: ")) for line in lines]
    assert said[1:3] == [{"ready": True}, {"progress": {"sent": 3, "completed": 2}}]
    life = {**said[0]["life"], **said[3]["life"]}
    assert list(life) == ["started", "ready", "finished"]
    assert life["started"] < life["ready"] <= life["finished"]


@pytest.mark.parametrize(("text", "start_ns"), [('{"start_ns": 42}', 42), ("", None), ("{}", None)])
def test_the_start_signal(folder: Path, text: str, start_ns: int | None) -> None:
    (folder / "go").write_text(text)
    with workload.join(folder) as session:
        before_ns = time.monotonic_ns()
        found_ns = session.wait_go(timeout=10)
    assert found_ns == start_ns if start_ns else before_ns <= found_ns <= time.monotonic_ns()


def test_half_a_start_signal_is_none_yet(folder: Path) -> None:
    (folder / "go").write_text('{"start_')
    with workload.join(folder) as session, pytest.raises(TimeoutError, match="no file go"):
        session.wait_go(timeout=0.05)


def test_sigterm_ends_the_wait_for_the_start(folder: Path) -> None:
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    started = False
    handler = signal.getsignal(signal.SIGTERM)
    with workload.join(folder) as session:
        timer.start()
        session.wait_go(timeout=30)
        started = True
    assert not started
    assert signal.getsignal(signal.SIGTERM) == handler


def test_it_needs_the_standard_library_alone() -> None:
    # Without site-packages nothing else can be imported.
    subprocess.run(
        [sys.executable, "-S", "-c", "import continuum.sdk.session"], cwd=ROOT, check=True, timeout=60
    )


def test_the_median() -> None:
    from collections import deque

    assert workload.percentile_50(deque()) is None
    assert workload.percentile_50(deque([3.0, 1.0, 2.0])) == 2.0
