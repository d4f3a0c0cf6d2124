"""The tables of a comparison. Pure."""

from __future__ import annotations

from continuum.measure.claims import Claim, interval, spread
from continuum.report import compare_words, formats
from continuum.report.compare import Comparison, Pair
from continuum.report.compare_groups import Group, bench_of
from continuum.report.table import Row, Table


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """All tables, the most important first."""
    if not comparison.repeated:
        return (runs(comparison), stage_means(comparison))
    return (
        deployments(comparison),
        stage_means(comparison),
        *(stage_claims(pair) for pair in comparison.pairs),
        runs(comparison),
    )


def deployments(comparison: Comparison) -> Table:
    """A row per deployment: the median latency of its runs, and what it shows compared with the first."""
    claims = {pair.second.name: pair.claim for pair in comparison.pairs}
    rows = tuple(_deployment(group, claims.get(group.name)) for group in comparison.groups)
    columns = ("deployment", "runs", "median (ms)", "between runs", "ratio", "95 % interval", "p", "verdict")
    return Table("Comparison", columns, rows, text=frozenset({"verdict"}))


def runs(comparison: Comparison) -> Table:
    """A row per run: latency and outcomes of requests; single runs with the difference to the first."""
    columns = ("run", "mean ± CI (ms)", "p50", "p90", "p99", "lost", "accuracy", "load")
    extra = frozenset({"p90", "accuracy"})
    rows = [_run(group, place) for group in comparison.groups for place in range(len(group.runs))]
    if comparison.repeated:
        return Table("Runs", columns, tuple(rows), extra)
    first = comparison.groups[0]
    apart = [
        formats.NONE if group is first else compare_words.difference(first, group)
        for group in comparison.groups
    ]
    with_difference = (Row((*row.cells, cell), row.ok) for row, cell in zip(rows, apart, strict=True))
    return Table("Comparison", (*columns, "difference"), tuple(with_difference), extra)


def stage_means(comparison: Comparison) -> Table:
    """Mean of every stage in ms over the runs of each deployment, a column per deployment."""
    rows = []
    for stage in comparison.stages:
        cells = tuple(formats.number(group.stage_mean_ms(stage)) for group in comparison.groups)
        rows.append(Row((stage, *cells), stage=stage))
    return Table("Mean by stage (ms)", ("stage", *(group.name for group in comparison.groups)), tuple(rows))


def stage_claims(pair: Pair) -> Table:
    """What the runs of two deployments show about each stage."""
    rows = []
    for stage, claim in pair.stages.items():
        medians = (interval(group.stage_medians_ms(stage)) for group in (pair.first, pair.second))
        values = (formats.number(None if found is None else found.value) for found in medians)
        rows.append(Row((stage, *values, *_claim(claim)), stage=stage))
    columns = ("stage", pair.first.name, pair.second.name, "ratio", "95 % interval", "p", "verdict")
    title = f"Median by stage (ms): {pair.second.name} compared with {pair.first.name}"
    return Table(title, columns, tuple(rows), text=frozenset({"verdict"}))


def _deployment(group: Group, claim: Claim | None) -> Row:
    median, between = interval(group.medians_ms), spread(group.medians_ms)
    cells = (
        group.name,
        str(len(group.runs)),
        formats.number(None if median is None else median.value),
        formats.percent(None if between is None else 100 * between),
    )
    return Row((*cells, *(_claim(claim) if claim else (formats.NONE, formats.NONE, formats.NONE, ""))))


def _claim(claim: Claim) -> tuple[str, str, str, str]:
    """Ratio, its interval, p-value and verdict."""
    verdict = compare_words.WORDS[claim.verdict]
    if claim.reason:
        verdict = "not decidable"
    elif more := compare_words.more(claim):
        verdict += f", {more}"
    return (
        formats.NONE if claim.ratio is None else f"{claim.ratio.value:.3f}",
        compare_words.ratio_range(claim.ratio),
        compare_words.p_value(claim.p),
        verdict,
    )


def _run(group: Group, place: int) -> Row:
    name, result = group.runs[place]
    bench = bench_of(result)
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
    )
    return Row(cells, ok=None if result.valid else False)
