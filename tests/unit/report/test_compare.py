"""Runs side by side: single runs show a difference and carry no claim."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from continuum.errors import UsageError
from continuum.model.repeat import Repeat
from continuum.model.result import Result
from continuum.report import compare, compare_files, compare_groups, compare_tables, comparison
from tests.fake_runs import SCENARIOS, Scenario, make_result, make_trace


def fake(name: str, **changes: object) -> Result:
    scenario = replace(SCENARIOS.get(name, Scenario(name)), **changes)
    return make_result(scenario, make_trace(scenario))


def test_single_runs_show_the_difference_and_carry_no_claim():
    found = compare.compare([fake("edge"), fake("cloud"), fake("busier", frequency=5.0, workers=2)])
    assert found.doubts == ()
    assert re.search(r"with edge: cloud \+\d+\.\d\d ms \(\+\d+\.\d %\), busier [+-]", *found.verdicts)
    (said,) = found.verdicts
    assert said.endswith("; one run each: not decidable.")
    assert not re.search(r"fast|slow|significant", said, re.IGNORECASE)


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
    assert found.pairs == ()
    assert "not comparable" in found.verdicts[0]


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
    assert compare_groups.names([first, replace(first, run_id="later")]) == [first.run_id, "later"]
    assert len(set(compare_groups.names([first, first]))) == 2
    guests = replace(first, provider="qemu", run_id="later")
    here = replace(first, provider="local")
    stem = compare_groups.names([first])[0]
    assert compare_groups.names([here, guests]) == [f"{stem} on local", f"{stem} on qemu"]
    again = replace(guests, run_id="again")
    assert compare_groups.names([here, guests, again]) == [
        f"{first.run_id} on local",
        "later on qemu",
        "again on qemu",
    ]


def test_differences_are_to_the_first_run():
    table = compare_tables.runs(compare.compare([fake("endpoint"), fake("edge")]))
    assert table.rows[0].cells[-1] == "-"
    assert table.rows[1].cells[-1].startswith("-89.")


def repeats(name: str, medians_ms: list[float], group: str = "", **changes: object) -> list[Result]:
    """Runs of one deployment with these median latencies."""
    first = fake(name, **changes)
    assert first.benchmark
    return [
        replace(
            first,
            run_id=f"{first.run_id}-{place}{group}",
            repeat=Repeat(place + 1, len(medians_ms), group),
            benchmark=replace(
                first.benchmark, end_to_end_ms=replace(first.benchmark.end_to_end_ms, p50=median_ms)
            ),
        )
        for place, median_ms in enumerate(medians_ms)
    ]


NEAR = [50.0, 50.5, 49.8, 50.2, 49.9]
FAR = [60.1, 60.4, 59.7, 60.0, 59.8]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (NEAR, FAR, "slower"),
        (FAR, NEAR, "faster"),
        (NEAR, NEAR[::-1], "no_difference"),
        (NEAR, [50.0, 60.0, 40.0, 55.0, 45.0], "undecided"),
    ],
)
def test_five_repeats_of_each_carry_a_claim(first, second, verdict):
    interleaved = [
        run for pair in zip(repeats("edge", first), repeats("cloud", second), strict=True) for run in pair
    ]
    found = compare.compare(interleaved)
    (pair,) = found.pairs
    assert (pair.first.name, pair.second.name, pair.claim.verdict) == ("edge", "cloud", verdict)
    assert pair.claim.runs == (5, 5)
    assert f"{pair.claim.ratio.value:.3f} times that of edge" in found.verdicts[0]
    assert set(pair.stages) == set(found.stages)
    if verdict == "undecided":
        assert f"about {pair.claim.more_runs} more runs" in found.verdicts[0]


@pytest.mark.parametrize(("one", "other"), [(4, 5), (5, 1), (2, 2)])
def test_fewer_than_five_repeats_carry_no_claim(one, other):
    found = compare.compare([*repeats("edge", NEAR[:one]), *repeats("cloud", FAR[:other])])
    assert found.pairs[0].claim.verdict == "undecided"
    assert f"{one} and {other} runs: not decidable" in found.verdicts[0]


def test_repeats_are_grouped_by_config_in_any_order():
    runs = [*repeats("edge", NEAR, "a"), *repeats("cloud", FAR, "b")]
    runs.append(replace(runs[0], run_id="by-itself", seed=99, repeat=Repeat()))
    groups = compare.compare([runs[7], *runs[:7], *runs[8:]]).groups
    assert [(group.name, len(group.runs)) for group in groups] == [("cloud", 5), ("edge", 6)]


def test_seed_and_number_of_repeats_do_not_separate_configs():
    def resolved(result: Result, **run: object) -> Result:
        return replace(result, config={**result.config, "resolved": {"run": {"name": "n", **run}}})

    one, two = repeats("edge", NEAR[:2])
    other = resolved(repeats("cloud", FAR[:1])[0], warmup=3)
    runs = [resolved(one, seed=1, repeats=2), resolved(two, seed=2, repeats=5), other]
    assert [len(group.runs) for group in compare.compare(runs).groups] == [2, 1]


def test_configs_that_are_no_configs_do_not_break_the_grouping():
    odd = [replace(run, config={"resolved": {"run": 7}}) for run in repeats("edge", NEAR[:2])]
    assert len(compare.compare(odd).groups) == 2


def test_calls_of_one_config_are_compared_with_each_other():
    found = compare.compare([*repeats("edge", NEAR, "before"), *repeats("edge", FAR, "after")])
    assert [len(group.runs) for group in found.groups] == [5, 5]
    assert found.pairs[0].claim.verdict == "slower"


def test_repeats_of_one_config_alone_show_their_spread():
    found = compare.compare(repeats("edge", NEAR, "a"))
    assert found.pairs == ()
    assert re.match(
        r"5 runs of edge: median latency 50.08 ms, 95 % interval 49.\d+ to 50.\d+", *found.verdicts
    )


def test_invalid_repeats_are_left_out_and_named():
    runs = [*repeats("edge", [*NEAR, 500.0]), *repeats("cloud", FAR)]
    runs[5] = replace(runs[5], invalid_reasons=("the fabric stopped",))
    found = compare.compare(runs)
    assert found.left_out == (f"{runs[5].run_id}: not valid",)
    assert found.pairs[0].claim.runs == (5, 5)


def test_several_deployments_are_adjusted_for_their_number():
    runs = [*repeats("edge", NEAR), *repeats("cloud", FAR), *repeats("third", FAR, workers=2)]
    pairs = compare.compare(runs).pairs
    assert [pair.claim.p for pair in pairs] == [pytest.approx(2 * 2 / 252)] * 2


@pytest.mark.parametrize(
    ("second", "verdict"), [(FAR, "slower"), (FAR[:1], "undecided"), (None, "not_comparable")]
)
def test_json_of_a_comparison(second, verdict):
    other = repeats("cloud", second) if second else repeats("cloud", FAR, frequency=4.0)
    found = json.loads(
        json.dumps(compare_files.to_json(compare.compare([*repeats("edge", NEAR), *other])), allow_nan=False)
    )
    assert found["verdict"] == verdict
    assert set(found) >= {"schema", "ratio", "p", "more_runs", "stages", "groups", "doubts", "left_out"}
    assert len(found["results"]) == 5 + len(other)
    if verdict == "slower":
        assert found["ratio"]["low"] < found["ratio"]["value"] < found["ratio"]["high"]
        assert found["stages"]["process"]["verdict"] in ("faster", "slower", "no_difference", "undecided")
    if verdict == "not_comparable":
        assert "frequency differs" in found["reason"]


def test_repeats_are_printed_and_written(tmp_path):
    out = io.StringIO()
    paths = comparison.show([*repeats("edge", NEAR), *repeats("cloud", FAR)], tmp_path, out)
    assert paths
    page = paths.html.read_text(encoding="utf-8")
    for text in (page, out.getvalue()):
        assert "between runs" in text
        assert "cloud compared with edge" in text
        assert "slower" in text


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
    assert compare_files.file_name(compare.compare(same_names)) != written[0].html.stem
