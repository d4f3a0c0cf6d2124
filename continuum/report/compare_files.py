"""The files of a comparison: its page, its plot, and its JSON object."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from continuum.measure.claims import Claim, interval
from continuum.report import compare_tables, view
from continuum.report.compare import Comparison
from continuum.report.compare_groups import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
_MOST_OF_A_NAME = 60


@dataclass(frozen=True)
class ComparisonPaths:
    """The files of a comparison: the page and the plot."""

    html: Path
    plot: Path


def write(comparison: Comparison, out_dir: Path) -> ComparisonPaths:
    """Write the plot and the page."""
    from continuum.report import html, style

    name = file_name(comparison)
    plot = style.save(name, lambda: _draw(comparison), out_dir)
    tables = compare_tables.tables(comparison)
    text = html.page("compare.html.j2", comparison.stages, comparison=comparison, svg=plot.svg, tables=tables)
    page = out_dir / f"{name}.html"
    page.write_text(text, encoding="utf-8")
    return ComparisonPaths(page, plot.path)


def file_name(comparison: Comparison) -> str:
    """File name without extension, unique for these runs."""
    ids = "\n".join(result.run_id for _, result in comparison.runs)
    called = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(group.name for group in comparison.groups)).strip("-")
    short = called[:_MOST_OF_A_NAME].rstrip("-")
    return f"compare-{short}-{hashlib.sha256(ids.encode()).hexdigest()[:8]}"


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values; the fields of the first pair are also those of the whole."""
    pairs = [
        {
            "first": pair.first.name,
            "second": pair.second.name,
            **_claim(pair.claim),
            "stages": {stage: _claim(claim) for stage, claim in pair.stages.items()},
        }
        for pair in comparison.pairs
    ]
    nothing = {**_claim(Claim("undecided", (0, 0))), "stages": {}}
    whole = {key: value for key, value in (pairs or [nothing])[0].items() if key not in ("first", "second")}
    if comparison.doubts:
        whole |= {"verdict": "not_comparable", "reason": comparison.doubts[0]}
    return {
        "schema": SCHEMA,
        **whole,
        "text": list(comparison.verdicts),
        "doubts": list(comparison.doubts),
        "left_out": list(comparison.left_out),
        "pairs": pairs,
        "groups": [_group(group) for group in comparison.groups],
        "results": [result.to_json() for _, result in comparison.runs],
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {**asdict(claim), "runs": list(claim.runs)}


def _group(group: Group) -> dict[str, Any]:
    found = interval(group.medians_ms)
    return {
        "name": group.name,
        "runs": [result.run_id for _, result in group.runs],
        "medians_ms": list(group.medians_ms),
        "median_ms": None if found is None else asdict(found),
    }


def _draw(comparison: Comparison) -> Figure:
    """A bar per deployment, with the percentiles of each of its runs below."""
    from continuum.report import plots, style

    figure = style.figure_of(9.2, 1.9 + 0.66 * len(comparison.groups))
    axes = figure.subplots()
    bars = [(group.name, _mean_parts(group)) for group in comparison.groups]
    summaries = [[bench.end_to_end_ms for bench in group.benches] for group in comparison.groups]
    longest = max(one.p99 or one.p50 or 0.0 for group in summaries for one in group)
    plots.stacked(axes, bars, comparison.stages, 1.05 * longest)
    for place, group in enumerate(summaries):
        for summary in group:
            for value, shape in ((summary.p50, "|"), (summary.p99, "D")):
                if value is not None:
                    plots.marker(axes, value, place + 0.42, shape)
    axes.set_title("Latency by stage")
    axes.set_xlabel("mean latency (ms); markers below the bars, one per run:  |  median   ◆  p99")
    return figure


def _mean_parts(group: Group) -> dict[str, float]:
    """Mean of every stage over the runs of a deployment, in ms."""
    parts = [{stage: mean_ms for stage, mean_ms, _ in view.shares(bench)} for bench in group.benches]
    stages = dict.fromkeys(stage for one in parts for stage in one)
    return {stage: fmean(one.get(stage, 0.0) for one in parts) for stage in stages}
