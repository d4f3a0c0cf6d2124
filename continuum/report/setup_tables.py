"""Tables about what happens before and around the requests: installation, deliveries, instances. Pure."""

from __future__ import annotations

from continuum.model.benchmark import Lifecycle
from continuum.model.result import Result
from continuum.model.summary import Summary
from continuum.report.formats import number, span, with_clock_error
from continuum.report.table import Row, Table

SIMULATED = "Instances on simulated nodes"


def deliveries(result: Result) -> Table:
    """Delivery of workloads to nodes that do not share the host's Python."""
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
    return Table("Delivery of workloads to nodes", columns, rows, text=frozenset({"workload"}))


def installation(result: Result) -> Table:
    """The steps of the resource manager's installation."""
    rows = tuple(Row((one.step, number(one.seconds), one.node or "all")) for one in result.installation)
    return Table("Installation", ("step", "seconds", "slowest node"), rows, text=frozenset({"slowest node"}))


def instances(lifecycle: Lifecycle, what: str = "Instances") -> Table:
    """Times of instances of workloads until each stage."""
    rows = tuple(
        Row(
            (
                with_clock_error(stage, since),
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
    return Table(f"{what}: time since creation, and since the preceding stage", columns, rows, extra)


def manager_latency(result: Result) -> Table:
    """Latency of the resource manager's components, by kind of request, for all resources together."""
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
    columns = ("component", "request", "count", "mean", "p50", "p99", "max")
    return Table(
        "Latency of the resource manager (~: estimated from a histogram)",
        columns,
        rows,
        text=frozenset({"request"}),
    )


def _about(milliseconds: float | None, estimated: bool) -> str:
    return ("~" if estimated and milliseconds is not None else "") + span(milliseconds)
