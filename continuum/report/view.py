"""The content of a report as text and tables, which the terminal and the page lay out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from continuum.model.benchmark import Benchmark
from continuum.model.fidelity import Processors
from continuum.model.result import LinkFidelity, NodeUse, Result
from continuum.model.summary import Summary
from continuum.report.formats import NONE, compact, count, memory, number, percent, span, with_clock_error
from continuum.report.table import Row, Table

END_TO_END = "end to end"


def headline(result: Result) -> str:
    """Application, manager, provider and network in one line."""
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
    if result.repeat.of > 1:
        parts.append(f"repeat {result.repeat.number} of {result.repeat.of}")
    return ", ".join(parts)


def complaints(result: Result) -> tuple[str, ...]:
    """Reasons why the numbers must not be used, including a failed phase."""
    failed = result.failed_phase
    if failed is None:
        return result.invalid_reasons
    first = f"phase {failed.name} failed: {failed.error}"
    return (first, *(reason for reason in result.invalid_reasons if reason not in (first, failed.error)))


def verdict(result: Result) -> str:
    """How to treat the numbers of an invalid run; empty for a valid one."""
    if result.benchmark is None and result.failed_phase:
        return "The run failed"
    return "" if result.valid else "Not valid: do not use these numbers"


def figures(bench: Benchmark) -> tuple[tuple[str, str, str], ...]:
    """Key figures besides the latency: name, value, explanation."""
    requests = bench.requests
    share = f"{100 * requests.completed / requests.sent:.1f} %" if requests.sent else NONE
    sent = f"{share} of those sent; {requests.warmup:,} more for warm-up"
    at_once = f", {bench.capacity} at once" if bench.capacity else ""
    late_p99 = bench.lateness_ms.p99
    return (
        ("completed", f"{requests.completed:,} of {requests.sent:,}", sent),
        ("lost", f"{requests.lost:,}", "not answered in time"),
        ("failed", f"{requests.failed:,}", "refused, or answered with an error"),
        ("throughput", f"{compact(bench.throughput_per_s)} /s", f"{compact(bench.offered_per_s)} /s offered"),
        ("accuracy", percent(None if bench.accuracy is None else 100 * bench.accuracy), "of answers correct"),
        ("system load", percent(bench.system_load_percent), count(bench.workers, "worker") + at_once),
        (
            "sent late by",
            span(bench.lateness_ms.mean),
            "in stage other" if late_p99 is None else f"p99 {span(late_p99)}; in stage other",
        ),
    )


def stages(bench: Benchmark) -> Table:
    """The latency by stage: a row per stage and one for the total."""
    total = bench.end_to_end_ms
    decimals = 1 if (total.max or 0) >= 10_000 else 2
    rows = [_stage(name, bench.stages_ms.get(name, Summary()), total, decimals) for name in bench.stages]
    columns = ("stage", "mean ± CI (ms)", "p50", "p90", "p95", "p99", "p99.9", "max", "share")
    whole = _stage(END_TO_END, total, total, decimals, strong=True)
    return Table("Latency by stage", columns, (*rows, whole), frozenset({"p95", "p99.9", "max"}))


def shares(bench: Benchmark) -> tuple[tuple[str, float, float], ...]:
    """Name, mean in ms over all completed requests, and share of the total of every stage."""
    total = bench.end_to_end_ms
    parts = []
    for name in bench.stages:
        mean_ms = _mean_over_all(bench.stages_ms.get(name, Summary()), total)
        parts.append((name, mean_ms, mean_ms / total.mean if total.mean else 0.0))
    return tuple(parts)


def tiers(result: Result) -> Table:
    """A row per tier: resources of its nodes and their use."""
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
    return Table("All nodes", ("node", "cores", "memory", "CPU used", "peak memory"), tuple(rows))


def by_tier(nodes: Iterable[NodeUse]) -> dict[str, list[NodeUse]]:
    """The nodes of each tier, in the order in which the tiers appear."""
    groups: dict[str, list[NodeUse]] = {}
    for node in nodes:
        groups.setdefault(node.tier, []).append(node)
    return groups


def links(result: Result) -> Table:
    """Links as configured and as measured, a row per direction."""
    rows = [_link(link, configured_rtt_ms(link, result.network)) for link in result.network]
    columns = ("link", "delay (ms)", "RTT (ms)", "measured", "Mbit/s", "measured", "loss", "")
    return Table("Links: configured and measured", columns, tuple(rows), frozenset({"loss"}), frozenset({""}))


def processors(result: Result) -> Table:
    """Speed of slow processors as configured and as measured, a row per tier."""
    found = result.fidelity.processors
    lengths = found[0].bursts if found else ()
    columns = ("tier", "speed", *(f"{burst.work_ms:g} ms takes" for burst in lengths), "")
    rows = [_processors(one) for one in found]
    return Table("Processors: configured and measured", columns, tuple(rows), frozenset(), frozenset({""}))


def clocks(result: Result) -> Table:
    """A row per node with its own clock."""
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
    return Table("Clocks", ("node", "offset (ms)", "max. error (ms)", "drift (ppm)"), tuple(rows))


def configured_rtt_ms(link: LinkFidelity, network: Sequence[LinkFidelity]) -> float | None:
    """The configured round trip: the sum of both one-way delays; None if one is unknown."""
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
    """The configured rate, or ``no limit``."""
    limit = link.configured.get("bandwidth_mbit")
    return "no limit" if limit is None else compact(limit)


def phases(result: Result) -> tuple[tuple[str, str, float], ...]:
    """Name, status and seconds of every phase that was not skipped."""
    return tuple((p.name, p.status, p.seconds) for p in result.phases if p.status != "skipped")


def _stage(name: str, summary: Summary, total: Summary, decimals: int, strong: bool = False) -> Row:
    mean_ms = _mean_over_all(summary, total)
    share = mean_ms / total.mean if total.mean else None
    width = f" ± {number(summary.ci95, decimals)}" if summary.ci95 is not None else ""
    figures = (summary.p50, summary.p90, summary.p95, summary.p99, summary.p999, summary.max)
    cells = (
        with_clock_error(name, summary),
        number(summary.mean, decimals) + width,
        *(number(figure, decimals) for figure in figures),
        percent(None if share is None else 100 * share),
    )
    return Row(cells, share=share, stage=name, strong=strong)


def _mean_over_all(summary: Summary, total: Summary) -> float:
    """Mean of a stage over all completed requests, so that the means add up to the total."""
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


def _processors(one: Processors) -> Row:
    ok = all(burst.ok for burst in one.bursts)
    takes = [f"{span(burst.wall_ms)} of {span(burst.expected_ms)}" for burst in one.bursts]
    return Row((one.tier, f"{one.speed:g}", *takes, "ok" if ok else "OUT"), ok)


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
