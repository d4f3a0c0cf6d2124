"""Whatever happens, nothing of a node stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from continuum.config import topology_builder
from continuum.errors import ConnectionFailure, ProvisionError
from continuum.host import facts
from continuum.modules import registry
from continuum.network.fabric import ending
from continuum.pipeline import teardown
from continuum.pipeline.steps import engine_for
from infrastructure.local import processes
from infrastructure.local.launch import Launch
from tests.e2e.leaks import no_leaks
from tests.e2e.local_nodes import destroy, make, new_run, nodes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root; see test_local_user for ordinary users"),
]
DEADLINE_S = 20


def in_nodes(run_id: str) -> list[processes.Labelled]:
    return [one for one in processes.labelled(run_id) if one.in_nodes]


def wait_until_gone(run_id: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while in_nodes(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_create_and_destroy(tmp_path: Path) -> None:
    with no_leaks():
        with nodes(tmp_path, endpoints=12, more="cpu_pin = False") as made:
            for name in ("cloud0", "endpoint11"):
                made[name].run(
                    ["sh", "-c", "echo x > /etc/x; rm /etc/hosts; setsid sleep 999 >/dev/null 2>&1 &"],
                    timeout=60,
                )
                made[name].start(["sleep", "999"], env={}, log=tmp_path / "log")
            assert len(in_nodes(made.run.id)) > 13
        assert not (made.run.directory / "nodes").exists()


def test_destroying_twice_is_harmless(tmp_path: Path) -> None:
    with nodes(tmp_path) as made:
        made.destroy()
        made.destroy()


def test_destroy_before_anything_was_made(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.own("keeper", run.id)
    run.own("cgroup", f"/sys/fs/cgroup/nowhere/continuum-{run.id}")
    destroy(registry.provider("local"), run)


def test_nodes_die_with_their_keeper(tmp_path: Path) -> None:
    with nodes(tmp_path, endpoints=4) as made:
        (keeper,) = [one for one in in_nodes(made.run.id) if one.name == processes.MAIN_KEEPER]
        os.kill(keeper.pid, signal.SIGKILL)
        wait_until_gone(made.run.id)
        with pytest.raises(ConnectionFailure):
            made["cloud0"].run(["true"], timeout=60)


def test_node_that_cannot_be_made_takes_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path, endpoints=3)

    def occupied(self: Launch, *arguments: object) -> None:
        (run.directory / "nodes" / "endpoint1").mkdir()
        start(self, *arguments)  # type: ignore[arg-type]

    start = Launch._start
    monkeypatch.setattr(Launch, "_start", occupied)
    with no_leaks():
        with pytest.raises(ProvisionError, match=r"endpoint1: .*File exists"):
            make(run)
        wait_until_gone(run.id)
        destroy(registry.provider("local"), run)
    assert "Traceback" in run.log("keeper").read_text()


HALF_MADE = """
import os, sys, time
from pathlib import Path
from continuum.pipeline import open_run
from infrastructure.local.launch import Launch
from tests.e2e.local_nodes import make

whole = Launch.nodes
def half(self, take):
    made = whole(self, take)
    print("half", flush=True)
    time.sleep(60)
Launch.nodes = half
make(open_run.load(Path(sys.argv[1])))
"""


def test_orchestrator_that_is_killed_while_it_creates(tmp_path: Path) -> None:
    with no_leaks():
        run = new_run(tmp_path, endpoints=5)
        process = subprocess.Popen(
            [sys.executable, "-c", HALF_MADE, str(run.directory)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        assert in_nodes(run.id)
        process.kill()
        process.wait(DEADLINE_S)
        process.stdout.close()
        wait_until_gone(run.id)
        destroy(registry.provider("local"), run)


def test_run_whose_folder_is_gone_is_found_by_its_label(tmp_path: Path) -> None:
    provider = registry.provider("local")
    with no_leaks():
        run = new_run(tmp_path)
        make(run)
        assert provider.survivors(facts.read())[run.id] == str(run.directory)
        run.unlock()
        shutil.rmtree(run.directory)
        assert run.id in provider.survivors(facts.read())
        teardown.destroy_stray(provider, run.id)
        assert run.id not in provider.survivors(facts.read())


def test_a_process_of_somebody_elses_run_is_left_alone(tmp_path: Path) -> None:
    """This host may be a node of a run that another machine looks after: only the label is here then."""
    theirs = {**os.environ, "CONTINUUM_RUN": "20260101-000000-theirs", "CONTINUUM_NODE": "cloud0"}
    process = subprocess.Popen(["sleep", "60"], env=theirs)
    try:
        assert "20260101-000000-theirs" not in registry.provider("local").survivors(facts.read())
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def test_groups_alone_are_found_by_their_label(tmp_path: Path) -> None:
    provider = registry.provider("local")
    with no_leaks():
        run = new_run(tmp_path)
        made = make(run)
        processes.end_all(run.id, also_outside_nodes=True)
        run.unlock()
        assert run._claim is not None
        run._claim.close()  # as the end of its process does
        shutil.rmtree(run.directory)
        if made.node("cloud0").handle["groups"]["paths"]:
            assert run.id in provider.survivors(facts.read())
        teardown.destroy_stray(provider, run.id)
        assert run.id not in provider.survivors(facts.read())


def test_too_many_nodes_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    spec = topology_builder.from_config(run.config).nodes[0]
    with pytest.raises(ProvisionError, match="at most 65000"):
        registry.provider("local").create([spec] * 65_001, run)
    assert run.owned() == ()


def test_without_a_fabric_nothing_is_left(tmp_path: Path) -> None:
    with no_leaks():
        run = new_run(tmp_path)
        assert engine_for(run.config, registry.provider("local")).name == "fabric"
        with pytest.raises(ProvisionError, match="fabric"):
            registry.provider("local").create(topology_builder.from_config(run.config).nodes, run)
        wait_until_gone(run.id)
        registry.provider("local").destroy(run, run.owned())
        ending.end(run.directory, run.id)
