"""Workloads started directly: whoever waits for one notices what happens to the others."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from continuum.connection import Completed
from continuum.errors import ConnectionFailure, DeployError
from continuum.model.workload import Workload
from continuum.testing.fake_connection import FakeConnection
from resource_manager.none.direct_job import DirectJob, Replica


class Pretended:
    """A process that ends, or is lost, when the test says so."""

    def __init__(self, status: int | None = None, lost: str = "") -> None:
        self.status, self.lost = status, lost

    def poll(self) -> int | None:
        if self.lost:
            raise ConnectionFailure(self.lost)
        return self.status

    def wait(self, timeout: float) -> int:
        return self.status or 0

    def write(self, data: bytes) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def job(folder: Path, name: str, process: Pretended, said: str = ""):
    log = folder / f"{name}.log"
    log.write_text(said)
    connection = FakeConnection("cloud0", folder)
    replica = Replica("cloud0", f"{name}-0", PurePosixPath("/x"), connection, process, log, created_ns=5)
    serving = Workload(name, "cloud", (), serves=True)
    return DirectJob(serving, [replica])


READY = 'continuum: {"life": {"started": 7, "ready": 9}}\ncontinuum: {"ready": true}\n'


def test_a_host_that_is_lost_ends_the_wait_for_others(tmp_path: Path) -> None:
    worker = job(tmp_path, "worker", Pretended(lost="cloud1: the connection was lost"), READY)
    client = job(tmp_path, "client", Pretended())
    with pytest.raises(ConnectionFailure, match="cloud1: the connection was lost"):
        client.wait_ready(60, [worker])


def test_a_server_that_ends_too_early_ends_the_wait_for_others(tmp_path: Path) -> None:
    worker = job(tmp_path, "worker", Pretended(status=137), READY)
    client = job(tmp_path, "client", Pretended())
    with pytest.raises(DeployError, match="worker-0 on cloud0 ended with signal 9"):
        client.wait_ready(60, [worker])


def test_the_life_of_a_replica_is_what_was_seen_and_what_it_told(tmp_path: Path) -> None:
    told = job(tmp_path, "worker", Pretended(), READY)
    told.wait_ready(60)
    found = [(mark.instance, mark.stage, mark.clock_ns, mark.clock) for mark in told.marks()]
    name = "cloud0/worker-0"
    assert found == [(name, "created", 5, ""), (name, "started", 7, "cloud0"), (name, "ready", 9, "cloud0")]


def test_replicas_of_one_node_are_given_one_start_by_one_command(tmp_path: Path) -> None:
    class Counting(FakeConnection):
        commands = 0

        def run(self, *arguments: Any, **settings: Any) -> Completed:
            self.commands += 1
            return super().run(*arguments, **settings)

    connections = {"cloud0": Counting("cloud0", tmp_path / "a"), "cloud1": Counting("cloud1", tmp_path / "b")}
    replicas = []
    for node, name in (("cloud0", "it's $(x)-0"), ("cloud1", "x-0"), ("cloud0", "x-1"), ("cloud0", "x-2")):
        folder = PurePosixPath("/var/lib/continuum") / name
        place = connections[node].root / str(folder).lstrip("/")
        place.mkdir(parents=True)
        replicas.append(Replica(node, name, folder, connections[node], Pretended(), tmp_path / name))
    DirectJob(Workload("x", "cloud", ()), replicas).release()
    signals = [path.read_text() for path in tmp_path.rglob("go")]
    assert len(signals) == 4
    assert len(set(signals)) == 1
    assert json.loads(signals[0])["start_ns"] > 0
    assert connections["cloud0"].commands == 1
    assert not list(tmp_path.rglob(".go.new"))
