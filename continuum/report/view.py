"""What a report shows, as tables of text; the terminal and the HTML page only lay it out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from continuum.model.result import Benchmark, Lifecycle, LinkFidelity, NodeUse, Result
from continuum.model.summary import Summary

NONE = "-"
END_TO_END = "end to end"
SIMULATED = "Instances on simulated nodes"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: as many as the table has columns.
        ok: False for a row that says something is wrong, None where that is no question.
        share: what part of the whole it is, 0 to 1, to be drawn as a bar.
        stage: the stage it stands for, which has a colour of its own.
        strong: whether it is the row that matters most.
    """

    cells: tuple[str, ...]
    ok: bool | None = None
    share: float | None = None
    stage: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its first column is text, the others are numbers.

    Attributes:
        title: what it is about.
        columns: the heads, with units.
        rows: the rows.
        extra: columns that a narrow page can do without.
        text: columns besides the first that are text.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    extra: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a fixed number of decimals; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def compact(value: float | None) -> str:
    """A number with about four significant digits and no needless zeros; a dash for None."""
    return NONE if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def span(milliseconds: float | None) -> str:
    """A time in ms with its unit, about three digits of it."""
    if milliseconds is None:
        return NONE
    decimals = 0 if abs(milliseconds) >= 1000 else 1 if abs(milliseconds) >= 10 else 2
    return f"{number(milliseconds, decimals)} ms"


def seconds(value: float) -> str:
    """A time in s with its unit."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.2f} s"


def memory(megabytes: float | None) -> str:
    """Memory with its unit, in GB from 1,024 MB on."""
    if megabytes is None:
        return NONE
    return f"{megabytes / 1024:.3g} GB" if megabytes >= 1024 else f"{megabytes:.0f} MB"


def percent(value: float | None, decimals: int = 1) -> str:
    """A percentage with its sign; a dash for None."""
    return NONE if value is None else f"{number(value, decimals)} %"


def count(many: int, word: str) -> str:
    """A number of things: ``1 node``, ``2 nodes``, ``12,000 nodes``."""
    return f"{many:,} {word}{'' if many == 1 else 's'}"


def headline(result: Result) -> str:
    """What ran where, in one line."""
    bench = result.benchmark
    parts = ["stopped before the benchmark" if result.failed_phase else "infrastructure only"]
    if bench:
        parts = [bench.application, f"resource manager {bench.resource_manager}"]
    if bench and bench.model:
        parts.append(f"model {bench.model}")
    if result.provider:
        parts.append(f"provider {result.provider}")
    parts.append(f"links by {result.engine}" if result.engine else "links not emulated")
    if result.seed is not None:
        parts.append(f"seed {result.seed}")
    return ", ".join(parts)


def complaints(result: Result) -> tuple[str, ...]:
    """Why the numbers must not be believed, a failed phase included."""
    failed = result.failed_phase
    if failed is None:
        return result.invalid_reasons
    first = f"phase {failed.name} failed: {failed.error}"
    return (first, *(reason for reason in result.invalid_reasons if reason not in (first, failed.error)))


def verdict(result: Result) -> str:
    """What to make of the numbers of a run that is not valid; empty for a valid one."""
    if result.benchmark is None and result.failed_phase:
        return "The run failed"
    return "" if result.valid else "Not valid: do not use these numbers"


def figures(bench: Benchmark) -> tuple[tuple[str, str, str], ...]:
    """What else is worth knowing at a glance: name, value, explanation."""
    requests = bench.requests
    share = f"{100 * requests.completed / requests.sent:.1f} %" if requests.sent else NONE
    sent = f"{share} of those sent, {requests.warmup:,} for warm-up apart"
    at_once = f", {bench.capacity} at once" if bench.capacity else ""
    return (
        ("completed", f"{requests.completed:,} of {requests.sent:,}", sent),
        ("lost", f"{requests.lost:,}", "not answered in time"),
        ("failed", f"{requests.failed:,}", "refused, or gone wrong"),
        ("throughput", f"{compact(bench.throughput_per_s)} /s", f"{compact(bench.offered_per_s)} /s offered"),
        ("accuracy", percent(None if bench.accuracy is None else 100 * bench.accuracy), "of answers right"),
        ("system load", percent(bench.system_load_percent), count(bench.workers, "worker") + at_once),
        ("sent late by", span(bench.lateness_ms.mean), f"p99 {span(bench.lateness_ms.p99)}, in stage other"),
    )


def stages(bench: Benchmark) -> Table:
    """Where the time went: a row per stage and one for all of it."""
    total = bench.end_to_end_ms
    decimals = 1 if (total.max or 0) >= 10_000 else 2
    rows = [_stage(name, bench.stages_ms.get(name, Summary()), total, decimals) for name in bench.stages]
    columns = ("stage", "mean ± CI (ms)", "p50", "p90", "p95", "p99", "p99.9", "max", "share")
    whole = _stage(END_TO_END, total, total, decimals, strong=True)
    return Table("Where the time went", columns, (*rows, whole), frozenset({"p95", "p99.9", "max"}))


def shares(bench: Benchmark) -> tuple[tuple[str, float, float], ...]:
    """Of every stage: name, mean in ms over all completed requests, share of the whole."""
    total = bench.end_to_end_ms
    parts = []
    for name in bench.stages:
        mean_ms = _mean_over_all(bench.stages_ms.get(name, Summary()), total)
        parts.append((name, mean_ms, mean_ms / total.mean if total.mean else 0.0))
    return tuple(parts)


def tiers(result: Result) -> Table:
    """A row per tier: what its nodes were given and what they used."""
    rows = [_tier(tier, nodes) for tier, nodes in by_tier(result.nodes).items()]
    columns = ("tier", "nodes", "cores", "memory", "CPU used", "busiest", "peak memory")
    return Table("Nodes", columns, tuple(rows))


def nodes(result: Result) -> Table:
    """A row per node."""
    rows = [
        Row(
            (
                node.name,
                f"{node.cores * node.quota:g}",
                memory(node.memory_mb),
                percent(node.cpu_percent),
                memory(node.memory_peak_mb),
            ),
            False if node.out_of_memory_kills else None,
        )
        for node in result.nodes
    ]
    return Table("Every node", ("node", "cores", "memory", "CPU used", "peak memory"), tuple(rows))


def by_tier(nodes: Iterable[NodeUse]) -> dict[str, list[NodeUse]]:
    """The nodes of each tier, in the order in which the tiers appear."""
    groups: dict[str, list[NodeUse]] = {}
    for node in nodes:
        groups.setdefault(node.tier, []).append(node)
    return groups


def links(result: Result) -> Table:
    """Configured beside measured, a row per directed link."""
    rows = [_link(link, configured_rtt_ms(link, result.network)) for link in result.network]
    columns = ("link", "delay (ms)", "RTT (ms)", "measured", "Mbit/s", "measured", "loss", "")
    return Table("Links: configured and measured", columns, tuple(rows), frozenset({"loss"}), frozenset({""}))


def clocks(result: Result) -> Table:
    """A row per node that has a clock of its own."""
    rows = [
        Row(
            (
                node,
                number(clock.get("offset_ms"), 3),
                number(clock.get("error_ms"), 3),
                number(clock.get("drift_ppm"), 2),
            )
        )
        for node, clock in result.clocks.items()
    ]
    return Table("Clocks", ("node", "offset (ms)", "error at most (ms)", "drift (ppm)"), tuple(rows))


def configured_rtt_ms(link: LinkFidelity, network: Sequence[LinkFidelity]) -> float | None:
    """The round trip that the configuration asks for: both one-way delays; None if one is unknown."""
    stated = link.configured.get("rtt_ms")
    if stated is not None:
        return stated
    back = next((other for other in network if (other.src, other.dst) == (link.dst, link.src)), None)
    there_ms = link.configured.get("latency_ms")
    back_ms = back.configured.get("latency_ms") if back else None
    return None if there_ms is None or back_ms is None else there_ms + back_ms


def delay(link: LinkFidelity) -> str:
    """One-way delay and jitter as ``7.5 ± 2.5``."""
    jitter_ms = link.configured.get("jitter_ms")
    return compact(link.configured.get("latency_ms")) + (f" ± {jitter_ms:.3g}" if jitter_ms else "")


def rate(link: LinkFidelity) -> str:
    """The configured rate; a rate of None is no limit."""
    limit = link.configured.get("bandwidth_mbit")
    return "no limit" if limit is None else compact(limit)


def deliveries(result: Result) -> Table:
    """How workloads came onto nodes that do not share the host's Python."""
    rows = tuple(
        Row(
            (
                one.node,
                one.workload,
                number(one.build_s),
                number(one.copied_mb, 1),
                number(one.copy_s),
                number(one.install_s),
                number(one.start_s),
            )
        )
        for one in result.deliveries
    )
    columns = ("node", "workload", "build (s)", "copied (MB)", "copy (s)", "install (s)", "start (s)")
    return Table("Workloads onto nodes", columns, rows, text=frozenset({"workload"}))


def installation(result: Result) -> Table:
    """What the installation of the resource manager consisted of."""
    rows = tuple(Row((one.step, number(one.seconds), one.node or "all")) for one in result.installation)
    return Table("Installation", ("step", "seconds", "slowest node"), rows, text=frozenset({"slowest node"}))


def lives(lifecycle: Lifecycle, what: str = "Instances") -> Table:
    """How long instances of workloads took to reach each stage of their lives."""
    rows = tuple(
        Row(
            (
                _with_error(stage, since),
                f"{lifecycle.reached.get(stage, 0)} of {lifecycle.instances}",
                *(span(figure) for figure in (since.p50, since.p99, since.max)),
                *(span(figure) for figure in (step.p50, step.p99, step.max)),
                span(lifecycle.all_ms.get(stage)),
            )
        )
        for stage, since in lifecycle.since_created_ms.items()
        for step in [lifecycle.step_ms.get(stage, Summary())]
    )
    columns = ("stage", "reached", "p50", "p99", "max", "step p50", "step p99", "step max", "all after")
    extra = frozenset({"step max"})
    return Table(f"{what}, since each was created and since the stage before", columns, rows, extra)


def manager_latency(result: Result) -> Table:
    """How long parts of the resource manager took for all requests of a kind; those of one resource apart."""
    rows = tuple(
        Row(
            (
                one.part,
                one.request,
                f"{one.count:,}",
                span(one.mean_ms),
                *(_about(figure, one.estimated) for figure in (one.p50_ms, one.p99_ms)),
                span(one.max_ms),
            )
        )
        for one in result.manager_latency
        if not one.resource
    )
    columns = ("part", "request", "count", "mean", "p50", "p99", "max")
    return Table(
        "The resource manager itself (~: estimated from a histogram)",
        columns,
        rows,
        text=frozenset({"request"}),
    )


def _about(milliseconds: float | None, estimated: bool) -> str:
    return ("~" if estimated and milliseconds is not None else "") + span(milliseconds)


def _with_error(name: str, summary: Summary) -> str:
    return name + (f" (clock ± {span(summary.clock_error)})" if summary.clock_error else "")


def phases(result: Result) -> tuple[tuple[str, str, float], ...]:
    """Name, status and seconds of every phase that was part of the run."""
    return tuple((p.name, p.status, p.seconds) for p in result.phases if p.status != "skipped")


def _stage(name: str, summary: Summary, total: Summary, decimals: int, strong: bool = False) -> Row:
    mean_ms = _mean_over_all(summary, total)
    share = mean_ms / total.mean if total.mean else None
    width = f" ± {number(summary.ci95, decimals)}" if summary.ci95 is not None else ""
    figures = (summary.p50, summary.p90, summary.p95, summary.p99, summary.p999, summary.max)
    cells = (
        _with_error(name, summary),
        number(summary.mean, decimals) + width,
        *(number(figure, decimals) for figure in figures),
        percent(None if share is None else 100 * share),
    )
    return Row(cells, share=share, stage=name, strong=strong)


def _mean_over_all(summary: Summary, total: Summary) -> float:
    """The stage's time spread over all completed requests, so that these means add up to the whole."""
    if summary.mean is None or not total.count:
        return 0.0
    return summary.mean * summary.count / total.count


def _tier(tier: str, nodes: Sequence[NodeUse]) -> Row:
    used = [node.cpu_percent for node in nodes if node.cpu_percent is not None]
    peaks = [node.memory_peak_mb for node in nodes if node.memory_peak_mb is not None]
    killed = sum(node.out_of_memory_kills for node in nodes)
    cells = (
        tier,
        f"{len(nodes):,}",
        _alike([f"{node.cores * node.quota:g}" for node in nodes]),
        _alike([memory(node.memory_mb) for node in nodes]),
        percent(fmean(used)) if used else NONE,
        percent(max(used)) if used else NONE,
        (memory(max(peaks)) if peaks else NONE) + (f", {killed} killed" if killed else ""),
    )
    return Row(cells, False if killed else None)


def _alike(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else f"{texts[0]} ..."


def _link(link: LinkFidelity, rtt_ms: float | None) -> Row:
    cells = (
        f"{link.src} → {link.dst}",
        delay(link),
        compact(rtt_ms),
        number(link.measured.get("rtt_ms")),
        rate(link),
        compact(link.measured.get("throughput_mbit")),
        percent(link.configured.get("loss_percent")),
        {True: "ok", False: "OUT", None: "not measured"}[link.ok],
    )
    return Row(cells, link.ok)
