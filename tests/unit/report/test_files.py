"""Plots and page: made from the run directory alone, complete, self-contained, and safe."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from continuum import report
from continuum.errors import UsageError
from continuum.measure import analysis, trace
from continuum.model import sample_table
from continuum.model.events import Event
from continuum.model.result import LinkFidelity, NodeUse, Result
from continuum.report import html, palette, plots, style, topology, view
from continuum.rundir import node_metrics
from tests.fake_runs import SCENARIOS, STAGES, make_result, make_trace, write_bare, write_run

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balance(HTMLParser):
    """Sees that every element is closed, in order, and that no id is there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def check_page(text: str) -> None:
    parsed = Balance()
    parsed.feed(text)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    # Only what is in the page itself: anchors and data.
    assert all(reference.startswith(("#", "data:")) for reference in parsed.references)
    assert {ref[1:] for ref in parsed.references if ref.startswith("#")} <= set(parsed.ids)
    assert not re.search(r"@import|<script|url\((?!#)", text)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = write_run(tmp_path_factory.mktemp("runs"), SCENARIOS["busy"])
    return directory, report.write(directory)


def test_all_plots_are_written(written):
    directory, paths = written
    assert [path.name for path in paths.plots] == ["breakdown.png", "cdf.png", "timeline.png", "topology.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths.plots)
    assert paths.all[-1] == directory / "report.html"


def test_page_is_self_contained_and_whole(written):
    text = written[1].html.read_text(encoding="utf-8")
    check_page(text)
    for part in (
        "Latency by stage",
        "Links: configured and measured",
        "Phases",
        "Repeat this run",
    ):
        assert part in text
    assert text.count("<svg") == 4
    assert "875 of 890" in text


@pytest.mark.slow
def test_report_reads_only_the_run_directory(written, tmp_path):
    directory, paths = written
    first = paths.html.read_text(encoding="utf-8")
    for path in (*paths.plots, paths.html):
        path.unlink()
    moved = directory.rename(tmp_path / "elsewhere")
    again = report.write(moved)
    assert again.html.read_text(encoding="utf-8") == first
    moved.rename(directory)


@pytest.mark.parametrize(
    ("make", "plots", "said"),
    [
        (lambda to: write_bare(to, "bare"), ["topology.png"], "infrastructure only"),
        (lambda to: write_bare(to, "plain", network=False), ["topology.png"], "not emulated"),
        (lambda to: write_bare(to, "failed", failed="provision"), [], "phase provision failed"),
        (
            lambda to: write_run(to, SCENARIOS["none"]),
            ["timeline.png", "topology.png"],
            "No request was completed",
        ),
    ],
)
def test_runs_that_lack_something(tmp_path, make, plots, said):
    paths = report.write(make(tmp_path))
    text = paths.html.read_text(encoding="utf-8")
    check_page(text)
    assert [path.name for path in paths.plots] == plots
    assert said in text


def test_metrics_of_nodes_are_a_plot_of_the_page(tmp_path):
    directory = write_bare(tmp_path, "observed")
    points = ((0.0, 0.5), (10.0, 1.5))
    node_metrics.write(directory, [node_metrics.Series("CPU", "cores", "cloud0", points)])
    paths = report.write(directory)
    text = paths.html.read_text(encoding="utf-8")
    check_page(text)
    assert [path.name for path in paths.plots] == ["nodes.png", "topology.png"]
    assert 'class="nodes"' in text
    assert node_metrics.FILE in text


def test_every_plot_has_its_place_on_the_page():
    template = (html.HERE / "report.html.j2").read_text(encoding="utf-8")
    assert set(re.findall(r"svg\.(\w+) \| safe", template)) == set(html.PLOTS)


def test_folder_without_result(tmp_path):
    with pytest.raises(UsageError, match=r"no result\.json"):
        report.write(tmp_path)


def test_what_users_wrote_is_text():
    evil = "</pre><script>alert(1)</script>"
    made = make_result(SCENARIOS["short"], make_trace(SCENARIOS["short"]))
    bench = made.benchmark
    assert bench
    result = replace(
        made,
        run_id=evil,
        notes=(evil,),
        invalid_reasons=(evil,),
        host={evil: evil},
        config={"file": evil, "text": evil},
        nodes=(NodeUse(evil, evil, 1, 64),),
        benchmark=replace(bench, application=evil, load={evil: evil}),
    )
    text = html.render(result, {}, evil)
    assert "<script" not in text
    check_page(text)


def test_markup_in_names_does_not_break_the_drawing(tmp_path):
    nodes = tuple(NodeUse(f"n{i}", tier, 1, 64) for i, tier in enumerate(("a<b>&", "$x_1$", "\\frac{")))
    links = (LinkFidelity("a<b>&", "$x_1$", {"latency_ms": 1.0}, {}, None),)
    drawn = style.save("topology", lambda: topology.draw(Result("r", nodes=nodes, network=links)), tmp_path)
    assert "a&lt;b&gt;&amp;" in drawn.svg
    assert ">$x_1$<" in drawn.svg
    check_page(drawn.svg)


def test_directions_that_differ_are_both_labelled():
    links = [
        LinkFidelity("a", "b", {"latency_ms": 1.0, "bandwidth_mbit": 10.0}, {"rtt_ms": 3.0}, True),
        LinkFidelity("b", "a", {"latency_ms": 2.0, "bandwidth_mbit": None}, {"rtt_ms": 9.0}, False),
    ]
    (wire,) = topology.wires_of(["a", "b"], links)
    assert wire.configured == ("→ 1 ms, 10 Mbit/s", "← 2 ms, no limit")
    assert (wire.measured, wire.ok) == ("RTT 9.00 of 3 ms", False)


def test_topology_of_a_thousand_nodes_draws_cards_not_circles(tmp_path):
    nodes = tuple(NodeUse(f"endpoint{i}", "endpoint", 1, 64) for i in range(1000))
    drawn = style.save("topology", lambda: topology.draw(Result("r", nodes=nodes)), tmp_path)
    assert "1,000 nodes" in drawn.svg
    assert drawn.svg.count("<path") < 20


def test_only_the_warmup_is_shaded(written):
    rows = sample_table.read(written[0] / "samples.csv")
    measured = [row["due_s"] for row in rows if not row["warmup"]]
    for axes in plots.timeline(rows).axes:
        (shade,) = axes.patches
        assert shade.get_x() + shade.get_width() == pytest.approx(min(measured))


def test_shares_add_up_where_a_stage_is_known_for_some_requests_only():
    whole = [("due", 0), ("preprocess", 0), ("uplink", 10), ("queue", 20), ("process", 30), ("downlink", 60)]
    made = [
        Event(f"r{i}", stage, "n", at) for i in range(4) for stage, at in whole if i < 3 or stage == "due"
    ]
    made += [Event(f"r{i}", "done", "n", 80) for i in range(4)]
    shares = view.shares(analysis.benchmark(trace.build(made, STAGES), application="a"))
    assert sum(share for _, _, share in shares) == pytest.approx(1)
    assert {name: share for name, _, share in shares}["other"] == pytest.approx(0.25)


def test_colours_are_distinct_and_stay_with_their_stage():
    stages = ("preprocess", "uplink", "queue", "process", "downlink", "other")
    colours = palette.of(stages)
    assert len(set(colours.values())) == len(stages)
    assert colours["other"] == palette.GREY
    assert palette.of(stages[:3])["queue"] == colours["queue"]
    assert (palette.ink_on("#ffffff"), palette.ink_on("#000000")) == ("#111111", "#ffffff")
