"""Statistics of a trace, and whether the numbers are valid. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from continuum.measure.statistics import summarise
from continuum.measure.trace import Request, Trace
from continuum.model.benchmark import Benchmark, RequestCounts
from continuum.model.phase import Phase
from continuum.model.result import LinkFidelity, NodeUse
from continuum.model.summary import Summary

LATE_SHARE = 0.1
"""If the mean lateness of the load generator exceeds this share of the mean latency, a remark says so."""


def benchmark(
    trace: Trace,
    *,
    application: str,
    resource_manager: str = "none",
    model: str = "",
    load: Mapping[str, Any] | None = None,
    capacity: int | None = None,
    processing: str = "",
) -> Benchmark:
    """Compute the statistics of a run from its trace, without the warm-up.

    Args:
        trace: the spans.
        application: name of the application.
        resource_manager: name of the resource manager.
        model: name of the execution model.
        load: the offered load; only runs with equal load are comparable.
        capacity: requests that all workers can process at the same time; None if unknown.
        processing: the stage during which a request occupies one unit of capacity; empty if there is none.
    """
    measured, completed = trace.measured(), trace.measured("completed")
    offered_per_s, schedule_s, window_s = _rates(measured)
    stages_ms = {stage: _stage(completed, trace, stage) for stage in trace.stages}
    return Benchmark(
        application=application,
        resource_manager=resource_manager,
        model=model,
        load=dict(load or {}),
        requests=_counts(trace),
        offered_per_s=offered_per_s,
        throughput_per_s=len(completed) / window_s if window_s else None,
        schedule_s=schedule_s,
        endpoints=len({request.node for request in measured}),
        workers=len({request.worker for request in completed} - {""}),
        capacity=capacity,
        accuracy=_accuracy(completed),
        system_load_percent=_load_percent(offered_per_s, stages_ms.get(processing), capacity),
        stages=trace.stages,
        end_to_end_ms=summarise([_latency_ms(request) for request in measured]),
        stages_ms=stages_ms,
        lateness_ms=_summary_ms([request.lateness_ns for request in measured]),
        queue_depth=summarise([r.queue_depth for r in measured if r.queue_depth is not None]),
        counters={name: getattr(trace.counters, name) for name in trace.counters.__dataclass_fields__},
    )


def reasons(
    benchmark: Benchmark | None, network: Sequence[LinkFidelity] = (), phases: Sequence[Phase] = ()
) -> tuple[str, ...]:
    """Reasons why the numbers of a run must not be used; empty for a valid run."""
    found = [f"phase {phase.name} failed: {phase.error}" for phase in phases if phase.status == "failed"]
    found += [_link_reason(link) for link in network if link.ok is False]
    if benchmark:
        found += _benchmark_reasons(benchmark)
    return tuple(found)


def remarks(benchmark: Benchmark | None, nodes: Sequence[NodeUse] = ()) -> tuple[str, ...]:
    """Remarks about the numbers of a valid run."""
    found = [_killed(node) for node in nodes if node.out_of_memory_kills]
    if benchmark:
        found += _benchmark_remarks(benchmark)
    return tuple(found)


def _counts(trace: Trace) -> RequestCounts:
    measured = trace.measured()
    outcomes = [request.outcome for request in measured]
    return RequestCounts(
        sent=len(measured),
        completed=outcomes.count("completed"),
        lost=outcomes.count("lost"),
        failed=outcomes.count("failed"),
        warmup=len(trace.requests) - len(measured),
    )


def _stage(completed: Sequence[Request], trace: Trace, stage: str) -> Summary:
    spans = [request.spans_ns.get(stage) for request in completed]
    return _summary_ms(spans, trace.clock_error_ns.get(stage, 0))


def _latency_ms(request: Request) -> float:
    """End-to-end latency; a request without an answer is infinitely late."""
    return math.inf if request.end_to_end_ns is None else request.end_to_end_ns / 1e6


def _summary_ms(spans_ns: Sequence[int | None], error_ns: int = 0) -> Summary:
    return summarise([span / 1e6 for span in spans_ns if span is not None], error_ns / 1e6)


def _rates(requests: Sequence[Request]) -> tuple[float | None, float | None, float | None]:
    """Arrivals per second, length of the schedule in s, and time from its start to the last answer in s.

    The schedule of n requests lasts n intervals, one more than between its first and last request, so the
    rate is the sum of the rates of all endpoints, computed from their intervals.
    """
    schedules: dict[str, list[int]] = defaultdict(list)
    for request in requests:
        if request.due_ns is not None:
            schedules[request.node].append(request.due_ns)
    rate = length_s = 0.0
    for due in schedules.values():
        if len(due) > 1 and max(due) > min(due):
            interval_s = (max(due) - min(due)) / (len(due) - 1) / 1e9
            rate += 1 / interval_s
            length_s = max(length_s, len(due) * interval_s)
    if not rate:
        return None, None, None
    first_ns = min(min(due) for due in schedules.values())
    ends_ns = [_end_ns(request) or first_ns for request in requests]
    return rate, length_s, max(length_s, (max(ends_ns) - first_ns) / 1e9)


def _end_ns(request: Request) -> int | None:
    if request.due_ns is None or request.end_to_end_ns is None:
        return None
    return request.due_ns + request.end_to_end_ns


def _accuracy(completed: Sequence[Request]) -> float | None:
    judged = [request.correct for request in completed if request.correct is not None]
    return sum(judged) / len(judged) if judged else None


def _load_percent(rate_per_s: float | None, work: Summary | None, capacity: int | None) -> float | None:
    """Offered work over capacity (utilisation law): arrival rate x mean service time / servers."""
    if rate_per_s is None or work is None or work.mean is None or not capacity:
        return None
    return 100 * rate_per_s * work.mean / 1000 / capacity


def _link_reason(link: LinkFidelity) -> str:
    return f"link {link.src} -> {link.dst} is out of tolerance" + (f": {link.note}" if link.note else "")


def _benchmark_reasons(benchmark: Benchmark) -> list[str]:
    found = []
    counts, odd = benchmark.requests, benchmark.counters
    if not counts.sent:
        found.append("no request was sent after the warm-up")
    elif not counts.completed:
        found.append(f"none of {counts.sent} requests was completed")
    if odd.get("impossible_spans"):
        found.append(
            f"{odd['impossible_spans']} spans are below zero by more than the uncertainty of the clocks"
        )
    if odd.get("without_due"):
        found.append(f"{odd['without_due']} requests have no intended time; they count as failed")
    return found


def _benchmark_remarks(benchmark: Benchmark) -> list[str]:
    found = []
    counts, odd, load = benchmark.requests, benchmark.counters, benchmark.system_load_percent
    if load is not None and load >= 100:
        found.append(
            f"the system load is {load:.0f} %: the queue grows during the whole run, so latencies depend on "
            "its duration"
        )
    if counts.completed and counts.lost + counts.failed:
        share = 100 * (counts.lost + counts.failed) / counts.sent
        found.append(
            f"{share:.1f} % of requests were lost or failed; means exclude them, percentiles count them as "
            "infinitely late"
        )
    if no_interval := benchmark.end_to_end_ms.reasons.get("ci95"):
        found.append(f"the mean latency has no confidence interval: {no_interval}")
    late, latency = benchmark.lateness_ms.mean, benchmark.end_to_end_ms.mean
    if late is not None and latency and late > LATE_SHARE * latency:
        found.append(f"requests were sent {late:.1f} ms late on average; this is part of the latency")
    return found + [text for name, text in _ODD.items() if odd.get(name) for text in [text.format(odd[name])]]


_ODD = {
    "unreadable": "{} lines of the event logs could not be read (a process ended during a write)",
    "unknown_stages": "{} events are of stages that the application does not declare",
    "duplicates": "{} events are duplicates; the earliest counts",
    "missing_events": "{} completed requests have no event of a stage; that time counts as other",
    "late_answers": "{} requests were answered after their time-out",
    "negative_spans": "{} spans are below zero",
    "held": "{} requests waited at their endpoint for earlier answers; this is part of the latency",
}


def _killed(node: NodeUse) -> str:
    killed = f"{node.out_of_memory_kills} processes killed"
    return f"{node.name} ran out of its {node.memory_mb} MB of memory: {killed}"
