"""What a host may lack for nodes, and the command that mends it."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from continuum.errors import HostError, Problem
from continuum.host import capacity
from continuum.host.cgroup.group_plan import Layout
from continuum.host.facts import Host
from continuum.model.topology import NodeSpec, Tier, Topology
from infrastructure.local import probe, trial
from infrastructure.local.limits import notes

TRY_EVERYTHING = trial.failures
HOST = Host(cpus=(0, 1), memory_mb=1000, user_id=0, kernel="6.1.0", machine="x86_64")


def topology(count: int, cores: float = 1, memory_mb: int = 100, quota: float = 1) -> Topology:
    nodes = tuple(NodeSpec(f"edge{i}", "edge", i, cores, memory_mb, quota) for i in range(count))
    return Topology((Tier("edge", count, cores, memory_mb, quota),), nodes, ())


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "failures", lambda as_user: {})


def found(shape: Topology, pinned: bool = False, host: Host = HOST) -> list[Problem]:
    return list(probe.problems(shape, pinned, host, as_user=False))


def test_what_fits_is_no_problem() -> None:
    assert found(topology(2)) == []
    assert found(topology(2), pinned=True) == []
    assert found(topology(8, quota=0.25)) == []


@pytest.mark.parametrize(("reserves_memory", "severity"), [(False, "warning"), (True, "error")])
def test_more_memory_than_the_host_has_is_refused_only_if_it_is_reserved(
    reserves_memory: bool, severity: str
) -> None:
    shape = topology(2, memory_mb=501)
    (problem,) = capacity.shortages(shape, False, HOST, reserves_memory=reserves_memory)
    assert problem.severity == severity
    assert "1002 MiB" in problem.message
    assert "1000 MiB" in problem.message


def test_memory_limits_may_exceed_the_memory_of_the_host() -> None:
    (problem,) = found(topology(500, cores=0.1, memory_mb=64, quota=0.01))
    assert problem.severity == "warning"
    assert "32000 MiB" in problem.message


def test_more_cpu_than_the_host_has_is_a_warning() -> None:
    (problem,) = found(topology(5, cores=0.5))
    assert problem.severity == "warning"
    assert "2.5 CPUs" in problem.message


def test_more_pinned_cores_than_the_host_has_is_an_error() -> None:
    (problem,) = found(topology(3, cores=0.5), pinned=True)
    assert problem.severity == "error"
    assert "cpu_pin needs 3 CPUs" in problem.message


def test_pinned_nodes_get_cpus_one_after_the_other() -> None:
    specs = topology(2, cores=1.5).nodes
    assert [spec.cpus for spec in capacity.pinned(specs, (2, 3, 5, 7))] == [(2, 3), (5, 7)]
    with pytest.raises(HostError, match="no CPU is left for edge1"):
        capacity.pinned(specs, (2, 3, 5))


@pytest.mark.parametrize(
    ("name", "number", "remedy"),
    [
        (trial.TUN, errno.ENOENT, "mknod -m 666 /dev/net/tun"),
        (trial.TUN, errno.EACCES, "sudo chmod 666 /dev/net/tun"),
        (trial.TUN, errno.ENODEV, "sudo modprobe tun"),
        (trial.OVERLAY, errno.ENODEV, "sudo modprobe overlay"),
        (trial.NAMESPACES, errno.EPERM, "docker run --privileged"),
    ],
)
def test_what_is_refused_comes_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, remedy: str
) -> None:
    monkeypatch.setattr(trial, "failures", lambda as_user: {name: OSError(number, os.strerror(number))})
    monkeypatch.setattr(probe, "_setting", lambda path: "")
    (problem,) = found(topology(1))
    assert problem.severity == "error"
    assert os.strerror(number) in problem.message
    assert problem.message.endswith(remedy) or remedy in problem.message


@pytest.mark.parametrize(
    ("path", "value", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
        ("", "", "sudo -E continuum"),
    ],
)
def test_switch_that_forbids_user_namespaces_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, value: str, remedy: str
) -> None:
    refused = OSError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(trial, "failures", lambda as_user: {trial.NAMESPACES: refused})
    monkeypatch.setattr(probe, "_setting", lambda asked: value if asked == path else "")
    (problem,) = found(topology(1), host=replace(HOST, user_id=1000))
    assert remedy in problem.message


def test_trial_of_this_host_leaves_it_as_it_was() -> None:
    before = scratch_mounts()
    for as_user in (False, True):
        found = TRY_EVERYTHING(as_user=as_user)
        assert set(found) <= {trial.NAMESPACES, trial.MOUNT, trial.TUN, trial.OVERLAY}
    assert scratch_mounts() == before
    assert "trial" not in os.listdir("/sys/class/net")


def scratch_mounts() -> list[str]:
    """What is mounted where the trial mounts; others on this machine may mount elsewhere meanwhile."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if line.split()[4] == trial._SCRATCH]


def test_trial_says_what_went_wrong_and_stops_before_it_harms(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EPERM, "no")

    def forbidden() -> None:
        raise AssertionError

    said = trial._in_child({trial.TUN: refuse, trial.NAMESPACES: refuse, trial.OVERLAY: forbidden})
    assert {name: (error.errno, error.strerror) for name, error in said.items()} == {
        trial.TUN: (errno.EPERM, "no"),
        trial.NAMESPACES: (errno.EPERM, "no"),
    }


def test_limits_that_do_not_hold_are_said_in_words() -> None:
    specs = topology(1).nodes
    without = notes(specs, None)
    assert [note.partition(" (")[0] for note in without] == [
        "CPU quotas are not enforced: nodes compute as fast as the host",
        "memory limits are not enforced",
    ]
    assert notes(specs, Layout(1, dict.fromkeys(("cpu", "memory"), PurePosixPath("/cg")))) == ()
    (memory,) = notes(specs, Layout(2, {"cpu": PurePosixPath("/cg")}))
    assert memory == "memory limits are not enforced (cgroup v2 has no such controller here)"


def test_disk_limits_that_do_not_hold_are_said_in_words() -> None:
    specs = (replace(topology(1).nodes[0], write_mb_per_s=5.0),)
    everything = dict.fromkeys(("cpu", "memory", "blkio"), PurePosixPath("/cg"))
    assert "only direct writes" in notes(specs, Layout(1, everything, "8:0"))[0]
    assert "on no disk" in notes(specs, Layout(2, everything, ""))[0]
    assert notes(specs, Layout(2, everything, "8:0")) == ()
