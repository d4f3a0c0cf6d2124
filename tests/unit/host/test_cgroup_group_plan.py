"""Which control group gets which value, for cgroup v1 and v2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from continuum.host.cgroup import find, group_plan, groups
from continuum.host.cgroup.group_plan import Group, Layout, Setting
from continuum.host.mounts import Mount
from continuum.model.limits import Limits
from continuum.model.node import Usage
from continuum.model.topology import NodeSpec

SPEC = NodeSpec("edge1", "edge", 1, 2, 512, 0.25, read_mb_per_s=100, write_mb_per_s=2.5, cpus=(2, 3))
PLAIN = NodeSpec("edge0", "edge", 0, 1, 256)

V1 = Layout(
    1,
    {
        "cpu": PurePosixPath("/cg/cpu,cpuacct/mine"),
        "cpuacct": PurePosixPath("/cg/cpu,cpuacct/mine"),
        "memory": PurePosixPath("/cg/memory"),
        "cpuset": PurePosixPath("/cg/cpuset"),
        "blkio": PurePosixPath("/cg/blkio"),
    },
    device="8:16",
)
V2 = Layout(
    2, dict.fromkeys(("cpu", "cpuacct", "memory", "cpuset", "blkio"), PurePosixPath("/cg/me")), "8:16"
)


def written(made: tuple[Group, ...]) -> dict[str, str]:
    return {str(setting.path): setting.value for group in made for setting in group.settings}


def test_v1_groups_of_a_run() -> None:
    made = group_plan.run_groups(V1, "r1")
    assert [str(group.path) for group in made] == [
        "/cg/cpu,cpuacct/mine/continuum-r1",
        "/cg/memory/continuum-r1",
        "/cg/cpuset/continuum-r1",
        "/cg/blkio/continuum-r1",
    ]
    assert written(made) == {"/cg/memory/continuum-r1/memory.use_hierarchy": "1"}
    assert [group.copied for group in made] == [(), (), ("cpuset.cpus", "cpuset.mems"), ()]


def test_v1_limits_of_a_node_but_cpu_time() -> None:
    made = group_plan.node_groups(V1, "r1", SPEC)
    assert written(made) == {
        "/cg/memory/continuum-r1/edge1/memory.limit_in_bytes": "536870912",
        "/cg/memory/continuum-r1/edge1/memory.memsw.limit_in_bytes": "536870912",
        "/cg/cpuset/continuum-r1/edge1/cpuset.cpus": "2,3",
        "/cg/blkio/continuum-r1/edge1/blkio.throttle.read_bps_device": "8:16 100000000",
        "/cg/blkio/continuum-r1/edge1/blkio.throttle.write_bps_device": "8:16 2500000",
    }
    assert len(made) == 4, "cpu and cpuacct share a group"


def test_v2_groups_of_a_run_pass_controllers_on() -> None:
    assert group_plan.run_groups(V2, "r1") == (
        Group(
            PurePosixPath("/cg/me/continuum-r1"),
            (
                Setting(
                    PurePosixPath("/cg/me/continuum-r1/cgroup.subtree_control"), "+cpu +cpuset +io +memory"
                ),
            ),
        ),
    )


def test_v2_limits_of_a_node_but_cpu_time() -> None:
    made = group_plan.node_groups(V2, "r1", SPEC)
    folder = "/cg/me/continuum-r1/edge1"
    assert written(made) == {
        f"{folder}/memory.max": "536870912",
        f"{folder}/memory.swap.max": "0",
        f"{folder}/cpuset.cpus": "2,3",
        f"{folder}/io.max": "8:16 rbps=100000000 wbps=2500000",
        f"{folder}/cgroup.subtree_control": "+cpu +cpuset +io +memory",
    }
    assert len(made) == 1


@pytest.mark.parametrize("layout", [V1, V2])
def test_nothing_is_written_that_was_not_asked_for(layout: Layout) -> None:
    names = {path.rpartition("/")[2] for path in written(group_plan.node_groups(layout, "r1", PLAIN))}
    assert names <= {
        *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max"),
        "cgroup.subtree_control",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_disk_is_left_alone_where_there_is_none(version: int) -> None:
    layout = Layout(version, {"blkio": PurePosixPath("/cg")})
    names = {path.rpartition("/")[2] for path in written(group_plan.node_groups(layout, "r1", SPEC))}
    assert names <= {"cgroup.subtree_control"}


@pytest.mark.parametrize(
    ("cpu_limit", "quota_and_period"),
    [
        (1, (10_000, 10_000)),
        (0.25, (2_500, 10_000)),
        (4, (40_000, 10_000)),
        (0.1, (1_000, 10_000)),
        (0.05, (1_000, 20_000)),  # the kernel takes no quota below 1 ms
        (0.03, (1_000, 33_334)),
        (0.001, (1_000, 1_000_000)),
        (0.0001, (1_000, 1_000_000)),
    ],
)
def test_quota(cpu_limit: float, quota_and_period: tuple[int, int]) -> None:
    assert group_plan.quota_us(cpu_limit) == quota_and_period


def test_quota_is_written_as_each_version_wants_it() -> None:
    group = PurePosixPath("/cg/edge1")
    assert group_plan.cpu_settings(1, group, 0.5) == (
        Setting(group / "cpu.cfs_period_us", "10000"),
        Setting(group / "cpu.cfs_quota_us", "5000"),
    )
    assert group_plan.cpu_settings(2, group, 0.5) == (Setting(group / "cpu.max", "5000 10000"),)


def test_name_of_a_workloads_group_carries_its_cores() -> None:
    assert group_plan.workload_name(Limits(), "ab12") == group_plan.REST
    name = group_plan.workload_name(Limits(cpu_cores=1.5, memory_mb=64), "ab12")
    assert name == "ab12-1500m"
    assert group_plan.workload_cores(name) == 1.5
    memory_only = group_plan.workload_name(Limits(memory_mb=64), "ab12")
    assert memory_only != group_plan.REST
    assert group_plan.workload_cores(memory_only) is None
    assert group_plan.workload_cores(group_plan.REST) is None


def test_workload_gets_its_cores_at_the_nodes_quota_and_never_more_than_the_node() -> None:
    assert group_plan.workload_limit(1, quota=0.25, node_limit=0.5) == 0.25
    assert group_plan.workload_limit(8, quota=0.25, node_limit=0.5) == 0.5


def test_memory_of_a_workload() -> None:
    group, limits = PurePosixPath("/cg/w"), Limits(memory_mb=64)
    assert group_plan.workload_settings(1, "memory", group, limits) == (
        Setting(group / "memory.limit_in_bytes", "67108864"),
    )
    assert group_plan.workload_settings(2, "memory", group, limits) == (
        Setting(group / "memory.max", "67108864"),
    )
    assert group_plan.workload_settings(1, "cpu", group, limits) == ()
    assert group_plan.workload_settings(2, "memory", group, Limits(cpu_cores=1)) == ()


def test_only_controllers_that_are_needed() -> None:
    assert group_plan.controllers((PLAIN,)) == ("cpu", "cpuacct", "memory")
    assert group_plan.controllers((PLAIN, SPEC)) == (
        *("cpu", "cpuacct", "memory", "cpuset", "blkio"),
        *group_plan.PACING,
    )
    assert group_plan.controllers((PLAIN, replace(PLAIN, cores=0.5)))[3:] == group_plan.PACING


def test_own_groups_of_either_version() -> None:
    text = "9:name=systemd:/x\n4:memory:/a/b\n2:cpu,cpuacct:/c:d\n0::/user.slice/me.scope\n"
    assert find.own_groups(text) == {
        "name=systemd": "/x",
        "memory": "/a/b",
        "cpu": "/c:d",
        "cpuacct": "/c:d",
        "": "/user.slice/me.scope",
    }


def test_trees_among_the_mounts(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    trees = find.hierarchies(
        [
            Mount("/", "ext4", "/dev/sda1", "8:1"),
            Mount("/cg/cpu", "cgroup", "cgroup", "0:30", "/docker/x", "rw,cpu,cpuacct"),
            Mount("/cg/systemd", "cgroup", "cgroup", "0:31", "/", "rw,name=systemd"),
            Mount(str(tmp_path), "cgroup2", "cgroup2", "0:32", "/", "rw"),
        ]
    )
    assert [(tree.version, set(tree.controllers)) for tree in trees] == [
        (1, {"cpu", "cpuacct"}),
        (1, set()),
        (2, {"cpu", "cpuacct", "cpuset", "memory", "blkio"}),
    ]
    assert trees[0].root == "/docker/x"


def _files(folder: Path, **contents: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".", 1)).write_text(text)
    return folder


def test_usage_of_version_1_adds_kills_of_the_workloads(tmp_path: Path) -> None:
    cpu = _files(tmp_path / "cpuacct" / "edge0", cpuacct__usage="2500000000\n")
    memory = _files(
        tmp_path / "memory" / "edge0",
        memory__max_usage_in_bytes="104857600\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    _files(memory / "ab-all", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert groups.usage([cpu, memory], 1) == Usage(2.5, 100.0, 3)


def test_usage_of_version_2(tmp_path: Path) -> None:
    group = _files(
        tmp_path / "edge0",
        cpu__stat="usage_usec 1500000\nuser_usec 1\n",
        memory__peak="52428800\n",
        memory__events="low 0\nhigh 0\nmax 9\noom 4\noom_kill 4\n",
    )
    assert groups.usage([group], 2) == Usage(1.5, 50.0, 4)


@pytest.mark.parametrize("version", [1, 2])
def test_usage_that_cannot_be_read_is_unknown_not_nothing(tmp_path: Path, version: int) -> None:
    assert groups.usage([tmp_path], version) == Usage(None, None, 0)
