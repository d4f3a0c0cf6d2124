"""Whole runs on real nodes, as a user makes them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    "offload_to",
    ["endpoint", *(pytest.param(where, marks=pytest.mark.slow) for where in ("edge", "cloud", "peer"))],
)
def test_video_is_processed_where_the_config_says(tmp_path: Path, offload_to: str) -> None:
    tiers = {"endpoint": (0, 0, 1), "edge": (0, 1, 2), "cloud": (1, 0, 2), "peer": (0, 0, 2)}[offload_to]
    cloud, edge, endpoint = tiers
    config = program.config(
        tmp_path,
        cloud=cloud,
        edge=edge,
        endpoint=endpoint,
        duration=2,
        benchmark=f"offload_to = {offload_to}",
    )
    with no_leaks():
        done = program.run(config, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    benchmark = result["benchmark"]
    assert benchmark["requests"]["completed"] == benchmark["requests"]["sent"] == 20 * endpoint
    assert benchmark["accuracy"] > 0.9
    assert {phase["status"] for phase in result["phases"]} == {"ok"}
    workers = {row["worker"] for row in _samples(tmp_path)}
    where = "endpoint" if offload_to == "peer" else offload_to
    assert workers
    assert all(worker.startswith(where) for worker in workers)
    if offload_to == "peer":
        assert all(row["worker"] != row["node"] for row in _samples(tmp_path))


@pytest.mark.slow
def test_stages_add_up_and_everything_is_kept(tmp_path: Path) -> None:
    config = program.config(tmp_path, duration=2, run="warmup = 1 s\nname = kept")
    done = program.run(config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "end to end" in done.stdout
    directory = program.run_directory(tmp_path)
    assert directory.name.endswith("-kept")
    assert directory.stat().st_mode & 0o777 == 0o700
    kept = {path.name for path in directory.iterdir()}
    expected = "config.cfg resolved.json state.json inventory.yml logs raw samples.csv result.json plots"
    assert kept >= {*expected.split(), "report.html"}
    assert (directory / "config.cfg").read_text() == config.read_text()
    assert 'src="http' not in (directory / "report.html").read_text()
    stages = ("preprocess_ms", "uplink_ms", "queue_ms", "process_ms", "downlink_ms", "other_ms")
    rows = _samples(tmp_path)
    assert sum(row["warmup"] in {"1", "true", "True"} for row in rows) == 10
    for row in rows:
        assert sum(float(row[stage]) for stage in stages) == pytest.approx(
            float(row["end_to_end_ms"]), abs=1e-3
        )


@pytest.mark.slow
def test_the_report_comes_from_the_folder_alone(tmp_path: Path) -> None:
    done = program.run(program.config(tmp_path, duration=1), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    moved = tmp_path / "elsewhere"
    directory = program.run_directory(tmp_path).rename(moved)
    for plot in (directory / "plots").iterdir():
        plot.unlink()
    again = program.run("report", moved, cwd=tmp_path, env={"XDG_STATE_HOME": str(tmp_path / "empty")})
    assert again.returncode == 0, again.stderr
    assert list((moved / "plots").glob("*.png"))


@pytest.mark.slow
def test_several_configs_end_with_a_comparison(tmp_path: Path) -> None:
    first = program.config(tmp_path, endpoint=1, edge=0, duration=1, name="first")
    second = program.config(tmp_path, endpoint=1, edge=1, duration=1, name="second")
    done = program.run(first, second, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "first" in done.stdout
    assert "second" in done.stdout
    assert (
        len(list((tmp_path / "runs").glob("*-first"))) == len(list((tmp_path / "runs").glob("*-second"))) == 1
    )
    assert list((tmp_path / "runs").glob("*.png")) or list((tmp_path / "runs").glob("*/*.html"))


@pytest.mark.slow
def test_repeats_of_two_configs_take_turns_and_are_compared(tmp_path: Path) -> None:
    configs = [
        program.config(tmp_path, edge=edge, duration=1, run="repeats = 2", name=name)
        for name, edge in (("first", 0), ("second", 1))
    ]
    done = program.run(*configs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 and 2 runs: not decidable" in " ".join(done.stdout.split())
    directories = sorted((tmp_path / "runs").glob("*/result.json"), key=lambda path: path.stat().st_mtime_ns)
    results = [json.loads(path.read_text()) for path in directories]
    assert [one["repeat"]["number"] for one in results] == [1, 1, 2, 2]
    compared = program.run("compare", "--json", *(path.parent for path in directories), cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    found = json.loads(compared.stdout)
    assert (found["verdict"], found["more_runs"]) == ("undecided", 3)
    assert [group["name"] for group in found["groups"]] == ["first", "second"]


def test_up_leaves_nodes_that_can_be_used_until_down(tmp_path: Path) -> None:
    with no_leaks():
        up = program.run("up", program.config(tmp_path, cloud=1, edge=2), cwd=tmp_path)
        assert up.returncode == 0, up.stderr
        run_id = up.stdout.splitlines()[-1]
        listed = json.loads(program.run("list", "--json", cwd=tmp_path).stdout)
        assert [(row["run_id"], row["status"], row["nodes"]) for row in listed] == [(run_id, "up", 4)]
        assert program.run("exec", run_id, "edge1", "--", "hostname", cwd=tmp_path).stdout == "edge1\n"
        assert (
            program.run("exec", run_id, "edge1", "--", "sh", "-c", "exit 42", cwd=tmp_path).returncode == 42
        )
        reached = program.run("exec", run_id, "edge0", "--", "getent", "hosts", "cloud0", cwd=tmp_path)
        assert "cloud0" in reached.stdout
        unknown = program.run("exec", run_id, "edge7", "--", "true", cwd=tmp_path)
        assert unknown.returncode == 2
        assert "edge0" in unknown.stderr
        down = program.run("down", run_id, cwd=tmp_path)
        assert down.returncode == 0, down.stderr
    gone = program.run("exec", run_id, "edge0", "--", "true", cwd=tmp_path)
    assert gone.returncode == 2
    assert "not up" in gone.stderr


def test_links_change_while_nodes_are_up(tmp_path: Path) -> None:
    up = program.run("up", program.config(tmp_path, cloud=1, endpoint=0), cwd=tmp_path)
    run_id = up.stdout.splitlines()[-1]
    try:
        changed = program.run("link", run_id, "edge-cloud", "--latency", "150ms", "--jitter", 0, cwd=tmp_path)
        assert changed.returncode == 0, changed.stderr
        ping = [*_python_ping("cloud0")]
        trip_ms = float(program.run("exec", run_id, "edge0", "--", *ping, cwd=tmp_path).stdout)
        assert trip_ms >= 300
        cut = program.run("link", run_id, "edge->cloud", "--loss", "100", cwd=tmp_path)
        assert cut.returncode == 0, cut.stderr
        assert program.run("exec", run_id, "edge0", "--", *ping, cwd=tmp_path).stdout.strip() == "lost"
        wrong = program.run("link", run_id, "edge-clod", "--latency", "1ms", cwd=tmp_path)
        assert wrong.returncode == 2
    finally:
        program.run("down", run_id, cwd=tmp_path)


def _python_ping(node: str) -> list[str]:
    """A command that prints the round trip of a TCP handshake to a closed port in ms, or ``lost``."""
    import sys

    code = (
        "import socket, time\ns = socket.socket(); s.settimeout(2); t = time.monotonic()\n"
        f"try: s.connect(('{node}', 9))\n"
        "except ConnectionRefusedError: print((time.monotonic() - t) * 1000)\n"
        "except TimeoutError: print('lost')"
    )
    return [sys.executable, "-c", code]


@pytest.mark.slow
def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        no_leaks(),
        program.started(program.config(tmp_path / "a", duration=2), cwd=tmp_path / "a") as first,
        program.started(program.config(tmp_path / "b", duration=2), cwd=tmp_path / "b") as second,
    ):
        for process, folder in ((first, tmp_path / "a"), (second, tmp_path / "b")):
            assert process.wait(program.TIMEOUT_S) == 0, (folder / "stderr").read_text()
            assert program.result(folder)["benchmark"]["requests"]["completed"] == 20


def _samples(cwd: Path) -> list[dict[str, str]]:
    with (program.run_directory(cwd) / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))
