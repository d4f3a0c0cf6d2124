"""Runs side by side: single runs show a difference and carry no claim."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from continuum.errors import UsageError
from continuum.model.result import Result
from continuum.report import compare, comparison
from tests.fake_runs import SCENARIOS, Scenario, make_result, make_trace


def fake(name: str, **changes: object) -> Result:
    scenario = replace(SCENARIOS.get(name, Scenario(name)), **changes)
    return make_result(scenario, make_trace(scenario))


def test_single_runs_show_the_difference_and_carry_no_claim():
    found = compare.compare([fake("edge"), fake("cloud"), fake("again", seed=2)])
    assert found.doubts == ()
    assert re.search(r"with edge: cloud \+\d+\.\d\d ms \(\+\d+\.\d %\), again [+-]", found.verdict)
    assert found.verdict.endswith("; one run each: not decidable.")
    assert not re.search(r"fast|significant", found.verdict, re.IGNORECASE)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"frequency": 4.0}, "frequency differs: edge 5, other 4"),
        ({"duration_s": 10.0}, "measured seconds differ"),
        ({"network_ok": False}, "other is not valid: link endpoint -> cloud"),
        ({"loss": 0.2}, "shares of lost and failed requests"),
    ],
)
def test_runs_that_do_not_compare_have_no_verdict(changes, doubt):
    found = compare.compare([fake("edge"), fake("other", delay_ms=45.0, **changes)])
    assert any(doubt in said for said in found.doubts)
    assert "not comparable" in found.verdict


def test_more_endpoints_are_no_doubt():
    assert compare.compare([fake("edge"), fake("other", endpoints=6)]).doubts == ()


def test_other_host_is_a_doubt():
    other = replace(fake("cloud"), host={"cpus": 2, "machine": "aarch64"})
    assert "host differs" in compare.compare([fake("edge"), other]).doubts[0]


def test_other_application_is_refused():
    other = fake("cloud")
    assert other.benchmark
    other = replace(other, benchmark=replace(other.benchmark, application="chess"))
    with pytest.raises(UsageError, match="chess, video"):
        compare.compare([fake("edge"), other])


def test_run_without_completed_requests_is_left_out():
    found = compare.compare([fake("edge"), fake("none"), fake("cloud"), Result("bare")])
    assert [name for name, _ in found.runs] == ["edge", "cloud"]
    assert [reason.split(":")[0] for reason in found.left_out] == ["none", "bare"]


@pytest.mark.parametrize("names", [["edge"], ["edge", "none"], []])
def test_fewer_than_two_runs_are_refused(names):
    with pytest.raises(UsageError, match="two runs"):
        compare.compare([fake(name) for name in names])


def test_runs_of_one_config_go_by_their_ids():
    first = fake("edge")
    assert compare.names([first, replace(first, run_id="later")]) == [first.run_id, "later"]
    assert len(set(compare.names([first, first]))) == 2
    guests = replace(first, provider="qemu", run_id="later")
    here = replace(first, provider="local")
    stem = compare.names([first])[0]
    assert compare.names([here, guests]) == [f"{stem} on local", f"{stem} on qemu"]
    again = replace(guests, run_id="again")
    assert compare.names([here, guests, again]) == [
        f"{first.run_id} on local",
        "later on qemu",
        "again on qemu",
    ]


def test_differences_are_to_the_first_run():
    table = compare.table(compare.compare([fake("endpoint"), fake("edge")]))
    assert table.rows[0].cells[-1] == "-"
    assert table.rows[1].cells[-1].startswith("-89.")


def test_printed_and_written(tmp_path):
    out = io.StringIO()
    paths = comparison.show([fake("edge"), fake("<b>cloud</b>", delay_ms=45.0)], tmp_path / "new", out)
    assert paths
    assert paths.plot.read_bytes().startswith(b"\x89PNG")
    page = paths.html.read_text(encoding="utf-8")
    assert "one run each: not decidable" in page
    assert "ignificant" not in page
    assert "<b>cloud" not in page
    assert "one run each: not decidable" in " ".join(out.getvalue().split())
    assert str(paths.html) in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_another_comparison_leaves_the_first_alone(tmp_path):
    edge, cloud, third = fake("edge"), fake("cloud", delay_ms=45.0), fake("Third one!", delay_ms=50.0)
    written = [comparison.show(runs, tmp_path, io.StringIO()) for runs in ((edge, cloud), (edge, third))]
    again = comparison.show((edge, cloud), tmp_path, io.StringIO())
    assert again == written[0]
    assert len({paths.html for paths in written} | {paths.plot for paths in written}) == 4
    assert len(list(tmp_path.iterdir())) == 4
    assert re.fullmatch(r"compare-edge-Third-one-[0-9a-f]{8}\.html", written[1].html.name)
    same_names = [replace(run, run_id=f"{run.run_id}-later") for run in (edge, cloud)]
    assert compare.file_name(compare.compare(same_names)) != written[0].html.stem
