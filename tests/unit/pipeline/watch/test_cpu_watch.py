"""CPU time of others, and of other virtual machines."""

from collections.abc import Sequence

import pytest

from continuum.pipeline.watch import host_times
from continuum.pipeline.watch.cpu_watch import CpuWatch
from continuum.pipeline.watch.host_times import HostTimes

STAT = """\
cpu  1000 0 500 8000 100 10 20 30 0 0
cpu0 600 0 300 4000 50 5 10 20 0 0
cpu1 400 0 200 4000 50 5 10 10 0 0
cpu2 999 0 999 9999 99 9 99 99 0 0
procs_running 3
"""
PRESSURE = """\
some avg10=95.51 avg60=68.44 avg300=52.06 total=2500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""


def test_times_are_those_of_the_cpus_that_this_process_may_use() -> None:
    found = host_times.parse(STAT, PRESSURE, {0, 1}, 7.0)
    assert found == HostTimes(7.0, 2, 81.3, 0.3, 3, 2.5)
    assert host_times.parse(STAT, "", {0, 1}, 7.0).waited_s is None
    with pytest.raises(ValueError, match="no CPU"):
        host_times.parse("intr 5\n", "", {0}, 0.0)


def test_the_kernel_of_this_host_can_be_read() -> None:
    found = host_times.read({0})
    assert found.cpus == 1
    assert found.unused_s > 0


def watched(
    foreign: Sequence[float], steal: float = 0.0, own: float | None = 0.5, tolerated: float = 5.0
) -> CpuWatch:
    """A host of two CPUs of which others use these shares of all in each half second; times from 100 s on."""
    watch = CpuWatch(tolerated)
    at_s, unused_s, stolen_s, run_s = 100.0, 0.0, 0.0, 0.0
    watch.note(0.0, HostTimes(at_s, 2, unused_s, stolen_s, 1), None if own is None else run_s, 1.0)
    for share in foreign:
        at_s += 0.5
        stolen_s += steal * 1.0
        run_s += (own or 0.0) * 1.0
        unused_s += 1.0 - share - steal - (own or 0.0)
        times = HostTimes(at_s, 2, unused_s, stolen_s, 1)
        watch.note(at_s - 100.0, times, None if own is None else run_s, 1.0)
    return watch


def test_the_load_of_the_run_itself_is_not_foreign() -> None:
    watch = watched([0.04] * 20)
    assert watch.disturbances == []
    assert watch.readings[-1].foreign_cpu_percent == pytest.approx(4)
    assert watch.readings[-1].steal_percent == 0


def test_more_than_a_second_above_the_threshold_is_a_disturbance() -> None:
    assert watched([0, 0.4, 0.4, 0, 0.4, 0.4, 0]).disturbances == []
    (found,) = watched([0, 0.4, 0.4, 0.4, 0.2, 0]).disturbances
    assert (found.kind, found.at_s) == ("foreign_cpu", pytest.approx(0.5))
    assert found.what == (
        "processes that are not part of the run used 35 % of this host's CPU time for 2.0 s (tolerated: 5 %)"
    )


def test_steal_is_a_disturbance_too() -> None:
    (found,) = watched([0] * 4, steal=0.1).disturbances
    assert found.kind == "steal"
    assert "the hypervisor took 10 %" in found.what


def test_what_the_run_uses_must_be_known() -> None:
    watch = watched([0.4] * 10, own=None)
    assert watch.disturbances == []
    assert watch.readings[0].foreign_cpu_percent is None


def test_the_threshold_is_that_of_the_config() -> None:
    assert watched([0.4] * 10, tolerated=40.5).disturbances == []


def test_episodes_are_limited() -> None:
    assert len(watched([0.4, 0.4, 0.4, 0.0] * 20).disturbances) == 5
