"""The thread that reads everything: what fails in it does not pass for an undisturbed run."""

import pytest

from continuum.config import loader
from continuum.connection.deployment import Deployment
from continuum.model.topology import Topology
from continuum.pipeline.watch.tolerated import Tolerated
from continuum.pipeline.watch.watcher import Watcher
from continuum.rundir import run as rundir
from continuum.rundir.run import Run
from continuum.testing.fake_provider import FakeProvider

NODES = """
[infrastructure]
infra_only = True
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1
base_path = {folder}
"""


@pytest.fixture
def run(tmp_path) -> Run:
    return rundir.create(loader.parse(NODES.format(folder=tmp_path) + "[run]\ntolerated_loss = 3 %\n"))


def test_thresholds_come_from_the_config(run: Run) -> None:
    assert Tolerated.of(run.config) == Tolerated(3.0, 200.0, 5.0)


def test_an_undisturbed_load_has_readings_and_no_disturbance(run: Run) -> None:
    deployment = Deployment(Topology((), (), ()), (), {})
    with Watcher(run, deployment, FakeProvider(), Tolerated(1, 200, 100)) as watcher:
        pass
    during = watcher.report()
    assert during.disturbances == ()
    assert during.seconds > 0
    assert during.engine_checks == 0


def test_a_watcher_that_fails_is_a_disturbance(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no counters")

    monkeypatch.setattr(FakeProvider, "strain", fail)
    with Watcher(run, Deployment(Topology((), (), ()), (), {}), FakeProvider(), Tolerated()) as watcher:
        pass
    (found,) = watcher.report().disturbances
    assert found.kind == "unwatched"
    assert "RuntimeError: no counters" in found.reason
