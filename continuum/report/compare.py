"""Compares several results, and checks whether they are comparable.

Runs are comparable if their offered load was the same. Otherwise the numbers are shown with the reason why
they are not comparable. The unit of a claim about two deployments is the run: between single runs the
difference is shown, and no run is called faster.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.errors import UsageError
from continuum.model.benchmark import Benchmark
from continuum.model.result import Result
from continuum.report import formats, view
from continuum.report.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAME_RATE = 0.02
"""Arrival rates and schedule lengths that differ by less than this share are equal."""

SAME_LOSS = 0.01
"""Latencies of completed requests are not comparable if the completed shares differ by more."""

SINGLE_RUNS = "one run each: not decidable"
"""Said of deployments with one run each: how much runs of one deployment differ is unknown then."""

_MOST_OF_A_NAME = 60


@dataclass(frozen=True)
class Comparison:
    """Runs that are shown side by side.

    Attributes:
        runs: name and result of each, in the given order; all have completed requests.
        left_out: runs without completed requests, each with the reason.
        doubts: reasons why the runs are not comparable.
        verdict: what the runs show, or why they show nothing.
        stages: the stages of all runs, in order.
    """

    runs: tuple[tuple[str, Result], ...]
    left_out: tuple[str, ...]
    doubts: tuple[str, ...]
    verdict: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class ComparisonPaths:
    """The files of a comparison: the page and the plot."""

    html: Path
    plot: Path


def compare(results: Sequence[Result]) -> Comparison:
    """Compare runs. Pure; UsageError if fewer than two have completed requests, or applications differ."""
    named = list(zip(names(results), results, strict=True))
    runs = [(name, result) for name, result in named if _mean(result) is not None]
    left_out = [f"{name}: {_why_left_out(result)}" for name, result in named if _mean(result) is None]
    if len(runs) < 2:
        reasons = "; ".join(left_out) or "only one run was given"
        raise UsageError(f"a comparison requires two runs with completed requests: {reasons}")
    applications = sorted({_bench(result).application for _, result in runs})
    if len(applications) > 1:
        raise UsageError(f"runs of different applications cannot be compared: {', '.join(applications)}")
    doubts = doubts_about(runs)
    stages = dict.fromkeys(stage for _, result in runs for stage in _bench(result).stages if stage != "other")
    return Comparison(tuple(runs), tuple(left_out), doubts, _verdict(runs, doubts), (*stages, "other"))


def names(results: Sequence[Result]) -> list[str]:
    """A unique name for each run: its config file, if necessary with its provider, or else its id."""
    stems = [Path(str(result.config.get("file") or result.run_id)).stem for result in results]
    ids = [result.run_id for result in results]
    for tried in (stems, _with_providers(stems, results), _with_providers(ids, results)):
        if len(set(tried)) == len(tried):
            return tried
    return [f"{name} ({i + 1})" for i, name in enumerate(ids)]


def _with_providers(chosen: list[str], results: Sequence[Result]) -> list[str]:
    """The names with the provider of each run, unless all have the same provider."""
    if len({result.provider for result in results}) == 1:
        return chosen
    return [f"{name} on {result.provider}" for name, result in zip(chosen, results, strict=True)]


def doubts_about(runs: Sequence[tuple[str, Result]]) -> tuple[str, ...]:
    """Reasons why these runs are not comparable; empty if they are."""
    found = [
        f"{name} is not valid: {view.complaints(result)[0]}" for name, result in runs if not result.valid
    ]
    benches = {name: _bench(result) for name, result in runs}
    loads: dict[str, Mapping[str, object]] = {name: bench.load for name, bench in benches.items()}
    for key in sorted({key for load in loads.values() for key in load}):
        found += _differs(key, {name: _said(load.get(key)) for name, load in loads.items()})
    rates = {name: (bench.offered_per_s or 0) / (bench.endpoints or 1) for name, bench in benches.items()}
    found += _apart("requests per second and endpoint", rates)
    found += _apart("measured seconds", {name: bench.schedule_s or 0 for name, bench in benches.items()})
    missed = {name: 1 - bench.requests.completed / bench.requests.sent for name, bench in benches.items()}
    if max(missed.values()) - min(missed.values()) > SAME_LOSS:
        listed = ", ".join(f"{name} {formats.percent(100 * share)}" for name, share in missed.items())
        found.append(f"the shares of lost and failed requests, which have no latency, differ: {listed}")
    hosts = {name: f"{result.host.get('cpus')} CPUs, {result.host.get('machine')}" for name, result in runs}
    return tuple(found + _differs("host", hosts))


def table(comparison: Comparison) -> Table:
    """A row per run: latency, outcomes of requests, and the difference to the first run."""
    base = _bench(comparison.runs[0][1])
    rows = [_row(name, _bench(result), base, result.valid) for name, result in comparison.runs]
    columns = ("run", "mean ± CI (ms)", "p50", "p90", "p99", "lost", "accuracy", "load", "difference")
    return Table("Comparison", columns, tuple(rows), frozenset({"p90", "accuracy"}))


def stage_table(comparison: Comparison) -> Table:
    """Mean of every stage in ms, a column per run."""
    rows = []
    for stage in comparison.stages:
        summaries = [_bench(result).stages_ms.get(stage) for _, result in comparison.runs]
        cells = tuple(formats.number(summary.mean if summary else None) for summary in summaries)
        rows.append(Row((stage, *cells), stage=stage))
    return Table("Mean by stage (ms)", ("stage", *(name for name, _ in comparison.runs)), tuple(rows))


def write(comparison: Comparison, out_dir: Path) -> ComparisonPaths:
    """Write the plot and the page."""
    from continuum.report import html, style

    name = file_name(comparison)
    plot = style.save(name, lambda: _draw(comparison), out_dir)
    tables = {"side_by_side": table(comparison), "by_stage": stage_table(comparison)}
    text = html.page("compare.html.j2", comparison.stages, comparison=comparison, svg=plot.svg, **tables)
    page = out_dir / f"{name}.html"
    page.write_text(text, encoding="utf-8")
    return ComparisonPaths(page, plot.path)


def file_name(comparison: Comparison) -> str:
    """File name without extension, unique for these runs."""
    ids = "\n".join(result.run_id for _, result in comparison.runs)
    called = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(name for name, _ in comparison.runs)).strip("-")
    short = called[:_MOST_OF_A_NAME].rstrip("-")
    return f"compare-{short}-{hashlib.sha256(ids.encode()).hexdigest()[:8]}"


def _draw(comparison: Comparison) -> Figure:
    from continuum.report import plots, style

    figure = style.figure_of(9.2, 1.9 + 0.66 * len(comparison.runs))
    axes = figure.subplots()
    bars = [(name, {s: m for s, m, _ in view.shares(_bench(r))}) for name, r in comparison.runs]
    summaries = [_bench(result).end_to_end_ms for _, result in comparison.runs]
    plots.stacked(axes, bars, comparison.stages, 1.05 * max(summary.p99 or 0.0 for summary in summaries))
    for place, summary in enumerate(summaries):
        for value, shape in ((summary.p50, "|"), (summary.p99, "D")):
            if value is not None:
                plots.marker(axes, value, place + 0.42, shape)
    axes.set_title("Latency by stage")
    axes.set_xlabel("mean latency (ms); markers below the bars:  |  median   ◆  p99")
    return figure


def _verdict(runs: Sequence[tuple[str, Result]], doubts: Sequence[str]) -> str:
    if doubts:
        return "No verdict: the runs are not comparable."
    (first, base), *others = runs
    apart = ", ".join(f"{name} {_difference(_bench(base), _bench(result))}" for name, result in others)
    return f"Mean latency compared with {first}: {apart}; {SINGLE_RUNS}."


def _difference(base: Benchmark, bench: Benchmark) -> str:
    """Difference of the mean latencies in ms and in percent of the first."""
    before, after = base.end_to_end_ms.mean, bench.end_to_end_ms.mean
    if before is None or after is None:
        return formats.NONE
    share = f" ({100 * (after - before) / before:+.1f} %)" if before > 0 else ""
    return f"{after - before:+.2f} ms{share}"


def _row(name: str, bench: Benchmark, base: Benchmark, valid: bool) -> Row:
    summary, requests = bench.end_to_end_ms, bench.requests
    error = f" ± {formats.number(summary.ci95)}" if summary.ci95 is not None else ""
    cells = (
        name,
        formats.number(summary.mean) + error,
        formats.number(summary.p50),
        formats.number(summary.p90),
        formats.number(summary.p99),
        f"{requests.lost + requests.failed:,}",
        formats.percent(None if bench.accuracy is None else 100 * bench.accuracy),
        formats.percent(bench.system_load_percent, 0),
        formats.NONE if bench is base else _difference(base, bench),
    )
    return Row(cells, ok=None if valid else False)


def _differs(what: str, values: Mapping[str, str]) -> list[str]:
    if len(set(values.values())) <= 1:
        return []
    return [f"{what} differs: " + ", ".join(f"{name} {value}" for name, value in values.items())]


def _apart(what: str, values: Mapping[str, float]) -> list[str]:
    if max(values.values()) - min(values.values()) <= SAME_RATE * max(values.values()):
        return []
    return [
        f"{what} differ: " + ", ".join(f"{name} {formats.compact(value)}" for name, value in values.items())
    ]


def _said(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return formats.NONE if value is None else str(value)


def _why_left_out(result: Result) -> str:
    reasons = view.complaints(result)
    return reasons[0] if reasons else "it has no benchmark"


def _bench(result: Result) -> Benchmark:
    if result.benchmark is None:
        raise UsageError(f"run {result.run_id} has no benchmark")
    return result.benchmark


def _mean(result: Result) -> float | None:
    return result.benchmark.end_to_end_ms.mean if result.benchmark else None
