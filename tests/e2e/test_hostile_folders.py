"""Run folders that were forged or damaged: nothing of others is touched, and nothing of the run is left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from continuum.errors import ConnectionFailure
from continuum.host import pidfd
from continuum.rundir import index
from infrastructure.local import processes
from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
FILES = (
    "state.json",
    "journal.jsonl",
    "lock",
    "config.cfg",
    "notes.json",
    "nodes/plan.json",
    "inventory.yml",
)
JSON_OF_OTHER_TYPES = (
    b"null",
    b"3",
    b'"text"',
    b"[]",
    b"[1, [2]]",
    b'{"status": 1, "provider": [], "nodes": {}, "links": 7, "engine": null}',
    b'{"status": "done", "provider": "nobody", "nodes": [1], "links": [2]}',
    b'{"status": "up", "nodes": [{"spec": {}, "handle": {"pid": "x"}}], "provider": "../x"}',
    b"[" * 100_000,
)


@contextmanager
def up(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run whose nodes are up."""
    made = program.run("up", program.config(tmp_path, edge=0, cloud=1, endpoint=1), cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    yield program.run_directory(tmp_path)


def alive(run_id: str) -> list[processes.Labelled]:
    return [one for one in processes.labelled(run_id) if processes.is_alive(one.pid)]


@pytest.mark.slow
def test_a_hostile_journal_touches_nobody_else(tmp_path: Path) -> None:
    victim_folder = tmp_path / "victim"
    victim_folder.mkdir()
    (victim_folder / "precious").touch()
    victim = subprocess.Popen(["sleep", "600"])
    try:
        with no_leaks(), up(tmp_path) as directory:
            group = tmp_path / f"continuum-{directory.name}"  # named as a control group, but elsewhere
            group.mkdir()
            (group / "cgroup.procs").write_text(f"{victim.pid}\n")
            forged = [
                ["keeper", str(victim.pid)],
                ["node-files", str(victim_folder)],
                ["cgroup", str(group)],
                ["cgroup", f"/sys/fs/cgroup/../../{group}"],
                ["provider", f"../{victim.pid}"],
            ]
            with (directory / "journal.jsonl").open("a") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in forged)
            _name_victim_in_state(directory, victim.pid)
            entered = program.run("exec", directory.name, "cloud0", "--", "true", cwd=tmp_path)
            assert "is not of this run" in entered.stderr
            assert entered.returncode == ConnectionFailure.exit_status
            done = program.run("destroy", directory.name, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert not alive(directory.name)
        assert victim.poll() is None
        assert (victim_folder / "precious").exists()
        assert (group / "cgroup.procs").exists()
        for kind, ident in forged[:3]:
            assert f"the journal names {kind} {ident}, which is not of this run" in done.stderr
    finally:
        victim.kill()
        victim.wait()


def _name_victim_in_state(directory: Path, pid: int) -> None:
    state = json.loads((directory / "state.json").read_text())
    for node in state["nodes"]:
        node["handle"] |= {"pid": pid, "start": pidfd.start_time(pid)}
    (directory / "state.json").write_text(json.dumps(state))


def test_the_id_of_a_run_that_is_up_is_taken(tmp_path: Path) -> None:
    """Its processes carry the id, so that a run of the same second must not get it while one is alive."""
    with no_leaks(), up(tmp_path) as directory:
        assert index.claim_on_host(directory.name) is None
        (fabric,) = [one.pid for one in alive(directory.name) if not one.in_nodes]
        os.kill(fabric, signal.SIGKILL)
        _wait_until_gone(fabric)
        assert index.claim_on_host(directory.name) is None, "its nodes are alive"
        done = program.run("destroy", directory.name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        claim = index.claim_on_host(directory.name)
        assert claim is not None
        claim.close()


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + program.TIMEOUT_S
    while processes.is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_an_emptied_journal_is_no_success_while_processes_live(tmp_path: Path) -> None:
    with no_leaks(), up(tmp_path) as directory:
        (directory / "journal.jsonl").write_bytes(b"")
        (directory / "state.json").unlink()
        assert alive(directory.name)
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{directory.name}: nothing left" in done.stderr
        assert not alive(directory.name)


def test_a_state_that_claims_to_be_done_does_not_hide_processes(tmp_path: Path) -> None:
    with no_leaks(), up(tmp_path) as directory:
        (directory / "state.json").write_text('{"status": "done"}')
        done = program.run("destroy", "--all", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert not alive(directory.name)


def damages(seed: int, count: int) -> list[tuple[str, str]]:
    """File and kind of damage, a seeded sample of all combinations."""
    kinds = [
        "truncated",
        "emptied",
        "garbage",
        "latin-1",
        "utf-16",
        "removed",
        "folder",
        "pipe",
        "link",
        "no access",
    ]
    kinds += [f"type {number}" for number in range(len(JSON_OF_OTHER_TYPES))]
    every = [(name, kind) for name in FILES for kind in kinds]
    every += [("all", kind) for kind in kinds]
    return random.Random(seed).sample(every, min(count, len(every)))


def damage(path: Path, kind: str, seed: int) -> None:
    """Damage one file; a file that does not exist is made first."""
    chance = random.Random(f"{seed} {path.name} {kind}")
    path.parent.mkdir(exist_ok=True)
    path.touch()
    content = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: chance.randrange(len(content) + 1)])
    elif kind == "garbage":
        path.write_bytes(chance.randbytes(2000))
    elif kind == "latin-1":
        path.write_bytes(content + "é\n".encode("latin-1"))
    elif kind == "utf-16":
        path.write_bytes(content.decode().encode("utf-16"))
    elif kind == "no access":
        path.chmod(0)
    elif kind.startswith("type "):
        path.write_bytes(JSON_OF_OTHER_TYPES[int(kind[5:])])
    elif kind == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to("/etc/hostname")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_whatever_is_damaged_nothing_is_left_alive(tmp_path: Path, count: int) -> None:
    with no_leaks():
        for number, (name, kind) in enumerate(damages(11, count)):
            folder = tmp_path / str(number)
            folder.mkdir()
            with up(folder) as directory:
                for file in FILES if name == "all" else (name,):
                    damage(directory / file, kind, seed=number)
                listed = program.run("list", cwd=folder)
                done = program.run("destroy", "--all", cwd=folder)
                case = f"{name} {kind}: {listed.stderr}{done.stderr}"
                assert "Traceback" not in case
                assert listed.returncode == 0, case
                left = alive(directory.name)
                if left:  # do not leave them to the next test
                    program.run("destroy", directory.name, cwd=folder)
                assert not left, case
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_destroy_all_finds_runs_started_under_another_home(tmp_path: Path) -> None:
    """Their processes name their folders. All of a home would be found; so the test looks for its own run."""
    from continuum.commands import destroy
    from infrastructure.local.provider import LocalProvider

    def found(state: str) -> str | None:
        script = (
            "from infrastructure.local import processes; import json; print(json.dumps(processes.runs()[0]))"
        )
        environment = {**os.environ, "HOME": str(tmp_path / "another"), "XDG_STATE_HOME": state}
        argv = [sys.executable, "-c", script]
        said = subprocess.run(
            argv, cwd=program.CHECKOUT, env=environment, capture_output=True, text=True, check=True
        ).stdout
        directory: str | None = json.loads(said).get(run_id)
        return directory

    config = program.config(tmp_path, edge=0, cloud=1)
    home = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": ""}
    with no_leaks():
        made = program.run("up", config, cwd=tmp_path, env=home)
        assert made.returncode == 0, made.stderr
        run_id, directory = made.stdout.strip(), program.run_directory(tmp_path)
        assert found("") == str(directory)
        assert found(str(tmp_path / "chosen")) is None, "a chosen state folder keeps runs apart"
        assert destroy._destroy_stray(LocalProvider(), run_id, directory) is None
        assert not alive(run_id)


IN_A_CONTAINER = """
mount -t tmpfs none "$1" && mount -t tmpfs none "$XDG_STATE_HOME" && cd "$1" && shift
"$@" up "$CONFIG" </dev/null && echo up && read -r _
"$@" destroy --all </dev/null && echo destroyed
"""


def test_destroy_all_spares_runs_of_another_mount_namespace(tmp_path: Path) -> None:
    """As of a container seen from its host: the run's folder does not exist here, but its nodes are alive."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    config = program.config(tmp_path, edge=0, cloud=1)
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "bash",
        "-c",
        IN_A_CONTAINER,
        "bash",
        str(hidden),
    ]
    with no_leaks():
        inside = subprocess.Popen(
            [*argv, *program.command()],
            env={**os.environ, "CONFIG": str(config)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert inside.stdin is not None
        assert inside.stdout is not None
        try:
            run_id = inside.stdout.readline().strip()
            assert inside.stdout.readline() == "up\n"
            before = {one.pid for one in alive(run_id)}
            assert before
            done = program.run("destroy", "--all", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert {one.pid for one in alive(run_id)} == before
        finally:
            said, _ = inside.communicate("\n", timeout=program.TIMEOUT_S)
        assert said == "destroyed\n"
        assert not alive(run_id)


def test_destroy_all_leaves_a_run_alone_that_has_no_process_yet(tmp_path: Path) -> None:
    run_id = "20260101-000000-being-made"
    claim = index.claim_on_host(run_id)
    assert claim is not None
    made = [Path("/sys/fs/cgroup", name, f"continuum-{run_id}") for name in ("memory", "cpu")]
    made = [group for group in made if group.parent.is_dir()] or [
        Path("/sys/fs/cgroup", f"continuum-{run_id}")
    ]
    try:
        for group in made:
            group.mkdir()
        program.run("destroy", "--all", cwd=tmp_path)
        assert all(group.is_dir() for group in made)
        claim.close()  # as it is when that run is killed
        program.run("destroy", "--all", cwd=tmp_path)
        assert not any(group.is_dir() for group in made)
    finally:
        claim.close()
        for group in made:
            if group.is_dir():
                group.rmdir()
