"""Counters of control groups of both versions."""

from pathlib import Path

from continuum.host.cgroup import counters


def test_version_2_has_both_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text(
        "usage_usec 2500000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 750000\n"
    )
    paths = {"cpu": str(tmp_path), "cpuacct": str(tmp_path)}
    assert counters.cpu_and_throttled_s(paths) == (2.5, 0.75)


def test_version_1_has_a_group_for_each(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("nr_periods 9\nnr_throttled 3\nthrottled_time 250000000\n")
    (tmp_path / "cpuacct.usage").write_text("1500000000\n")
    paths = {"cpu": str(tmp_path), "cpuacct": str(tmp_path)}
    assert counters.cpu_and_throttled_s(paths) == (1.5, 0.25)


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert counters.cpu_and_throttled_s({}) == (None, None)
    gone = {"cpu": str(tmp_path / "gone"), "cpuacct": str(tmp_path / "gone")}
    assert counters.cpu_and_throttled_s(gone) == (None, None)
