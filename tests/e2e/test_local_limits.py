"""What bounds a node and a workload really bounds it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from continuum.host.cgroup import find
from continuum.host.cgroup.node import NodeGroups
from continuum.model.limits import Limits
from tests.e2e.local_nodes import Nodes, nodes

LAYOUT = find.layout(find.ALL) if os.geteuid() == 0 else None

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(LAYOUT is None, reason="this user can make no control groups"),
]
DEADLINE_S = 30
BURN = "import time; end = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
EAT = "b = bytearray(0)\nfor _ in range({mb}): b += b'x' * 2**20\nprint('ate it')"


def needs(controller: str) -> pytest.MarkDecorator:
    lacking = LAYOUT is None or not LAYOUT.has(controller)
    return pytest.mark.skipif(lacking, reason=f"no {controller} controller here")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Nodes]:
    with nodes(tmp_path, memory=128, more="endpoint_quota = 0.25") as existing:
        yield existing


def groups_of(made: Nodes, name: str) -> NodeGroups:
    return NodeGroups.of(made.node(name).spec, made.node(name).handle["groups"])


def quota(group: Path) -> str:
    """Quota and period of a group in microseconds, ``max`` for none."""
    if (group / "cpu.max").exists():
        return (group / "cpu.max").read_text().strip()
    value = (group / "cpu.cfs_quota_us").read_text().strip()
    return f"{'max' if value == '-1' else value} {(group / 'cpu.cfs_period_us').read_text().strip()}"


@needs("cpu")
def test_cpu_time_is_free_until_enforced(made: Nodes) -> None:
    group = Path(groups_of(made, "endpoint0").paths["cpu"])
    assert quota(group).startswith("max")
    made.provider.enforce(made.nodes, made.run)
    assert quota(group) == "2500 10000"
    assert quota(Path(groups_of(made, "cloud0").paths["cpu"])) == "10000 10000"


@needs("cpu")
def test_a_quarter_core_gets_a_quarter_of_the_time(made: Nodes) -> None:
    made.provider.enforce(made.nodes, made.run)
    made["endpoint0"].run(["{python}", "-c", "pass"], timeout=DEADLINE_S)
    before, start = made.usage()["endpoint0"], time.monotonic()
    made["endpoint0"].run(["{python}", "-c", BURN], timeout=DEADLINE_S)
    used, elapsed = made.usage()["endpoint0"], time.monotonic() - start
    assert used.cpu_seconds is not None
    assert before.cpu_seconds is not None
    share = (used.cpu_seconds - before.cpu_seconds) / elapsed
    assert 0 < share < 0.35, "other work on the host can only make it less"


@needs("cpu")
def test_workload_is_bounded_whether_it_starts_before_or_after(made: Nodes, tmp_path: Path) -> None:
    early = made["cloud0"].start(["sleep", "100"], env={}, log=tmp_path / "log", limits=Limits(cpu_cores=0.5))
    node = Path(groups_of(made, "cloud0").paths["cpu"])
    (group,) = node.glob("*-500m")
    assert quota(group).startswith("max")
    made.provider.enforce(made.nodes, made.run)
    assert quota(group) == "5000 10000"
    late = made["cloud0"].start(["sleep", "100"], env={}, log=tmp_path / "log", limits=Limits(cpu_cores=0.2))
    (group,) = node.glob("*-200m")
    assert quota(group) == "2000 10000"
    for process in (early, late):
        process.kill()


@needs("cpu")
def test_cores_of_a_workload_count_at_the_nodes_quota(made: Nodes, tmp_path: Path) -> None:
    made.provider.enforce(made.nodes, made.run)
    process = made["endpoint0"].start(
        ["sleep", "100"], env={}, log=tmp_path / "log", limits=Limits(cpu_cores=0.8)
    )
    (group,) = Path(groups_of(made, "endpoint0").paths["cpu"]).glob("*-800m")
    process.kill()
    assert quota(group) == "2000 10000"


@needs("memory")
def test_a_node_that_exceeds_its_memory_is_killed_and_it_is_said(made: Nodes) -> None:
    done = made["endpoint0"].run(["{python}", "-c", EAT.format(mb=400)], timeout=DEADLINE_S, check=False)
    assert done.status == -9
    assert done.stdout == ""
    usage = made.usage()
    assert usage["endpoint0"].out_of_memory_kills == 1
    assert usage["cloud0"].out_of_memory_kills == 0
    assert 100 < (usage["endpoint0"].memory_peak_mb or 0) <= 128
    assert made["endpoint0"].run(["echo", "alive"], timeout=DEADLINE_S).stdout == "alive\n"


@needs("memory")
def test_what_fits_is_left_alone(made: Nodes) -> None:
    done = made["endpoint0"].run(["{python}", "-c", EAT.format(mb=60)], timeout=DEADLINE_S)
    assert done.stdout == "ate it\n"


@needs("memory")
def test_memory_of_a_workload_is_bounded_within_its_node(made: Nodes, tmp_path: Path) -> None:
    process = made["cloud0"].start(
        ["{python}", "-c", EAT.format(mb=80)],
        env={},
        log=tmp_path / "log",
        limits=Limits(memory_mb=40),
    )
    assert process.wait(DEADLINE_S) == -9
    assert made.usage()["cloud0"].out_of_memory_kills == 1


@needs("memory")
def test_measuring_tools_are_outside_the_limits(made: Nodes, tmp_path: Path) -> None:
    process = made["endpoint0"].start(
        ["{python}", "-c", EAT.format(mb=300)], env={}, log=tmp_path / "log", limits=None
    )
    assert process.wait(DEADLINE_S) == 0
    assert (tmp_path / "log").read_text() == "ate it\n"


@needs("cpuset")
def test_pinned_node_has_cpus_of_its_own(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    with nodes(tmp_path, more="cpu_pin = True") as made:
        script = "import os; print(sorted(os.sched_getaffinity(0)))"
        for index, name in enumerate(("cloud0", "endpoint0")):
            said = made[name].run(["{python}", "-c", script], timeout=DEADLINE_S).stdout
            assert said.strip() == str([cpus[index]])
            assert made.node(name).spec.cpus == (cpus[index],)


@needs("blkio")
def test_disk_limits_name_the_disk_of_the_run(tmp_path: Path) -> None:
    with nodes(tmp_path, more="cloud_read_speed = 30 MB/s\ncloud_write_speed = 20 MB/s") as made:
        device = find.disk_of(made.run.directory)
        if not device:
            pytest.skip("the test's folder is on no disk")
        group = Path(groups_of(made, "cloud0").paths["blkio"])
        if (group / "io.max").exists():
            assert (group / "io.max").read_text().startswith(f"{device} rbps=30000000 wbps=20000000")
        else:
            for way, rate in (("read", 30_000_000), ("write", 20_000_000)):
                text = (group / f"blkio.throttle.{way}_bps_device").read_text()
                assert text.strip() == f"{device} {rate}"


def test_limits_that_hold_need_no_note(made: Nodes) -> None:
    assert LAYOUT is not None
    missing = [name for name in ("cpu", "memory") if not LAYOUT.has(name)]
    assert len(made.run.notes()) == len(missing)
