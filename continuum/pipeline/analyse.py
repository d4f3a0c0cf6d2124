"""The last phases: from what the earlier ones made to the result and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from continuum.errors import BenchmarkError, ContinuumError
from continuum.measure import analysis, instances, lifecycle, samples, trace
from continuum.measure.lifecycle import InstanceTimeline
from continuum.model.benchmark import Benchmark
from continuum.model.phase import Phase
from continuum.model.result import INSTANCES_FILE, SAMPLES_FILE, Result
from continuum.modules import registry
from continuum.pipeline import result_builder
from continuum.pipeline.context import Context
from continuum.pipeline.outputs import Outputs
from continuum.pipeline.result_builder import Snapshot
from continuum.pipeline.watch.timing import since_first_request
from continuum.report.style import Plot


def analyse(
    context: Context, outputs: Outputs, phases: Sequence[Phase], errors: Iterable[ContinuumError]
) -> Result:
    """Turn events into the result; an incident makes it invalid, not absent."""
    snapshots = outputs.snapshots
    if outputs.deployment is not None and len(snapshots) < 2:
        # The benchmark did not come to its end; what nodes used may tell why.
        provider = context.modules.provider
        snapshots = (*snapshots, result_builder.snapshot(outputs.deployment, provider, context.run))
    timelines = _timelines(context, outputs, snapshots)
    measured, first_s = _measured(context, snapshots)
    during = outputs.during
    if during is not None and first_s is not None:
        during = since_first_request(during, first_s - outputs.watched_from_s)
    result = result_builder.result(
        context.run,
        host=context.host,
        packages=[name for module in context.modules.all() for name in module.reported_packages],
        deployment=outputs.deployment,
        fidelity=outputs.fidelity,
        during=during,
        snapshots=snapshots,
        measured=measured,
        timelines=[timeline for timeline in timelines if not timeline.simulated],
        simulated=[timeline for timeline in timelines if timeline.simulated],
        incidents=[*map(str, errors), *outputs.incidents],
        phases=phases,
    )
    result.save(context.run.directory)
    return result


def check_measured(context: Context, result: Result) -> None:
    """BenchmarkError where an application was to be measured, nothing went wrong, and no event was left."""
    if context.wants_benchmark and result.benchmark is None and result.valid:
        msg = "the application left no events"
        raise BenchmarkError(msg)


def _measured(context: Context, snapshots: Sequence[Snapshot]) -> tuple[Benchmark | None, float | None]:
    """What the application did, and the intended time of its first request on CLOCK_MONOTONIC in s.

    None when it left nothing.
    """
    application, config, directory = context.modules.application, context.config, context.run.directory
    raw = directory / "raw"
    if application is None or not raw.is_dir():
        return None, None
    clocks = result_builder.clocks(snapshots)
    traced = trace.build(application.events(raw), context.plan.stages, clocks)
    if not traced.requests:
        return None, None
    samples.write(directory / SAMPLES_FILE, traced)
    measured = analysis.benchmark(
        traced,
        application=registry.canonical("application", config.benchmark.text("application")),
        resource_manager=config.benchmark.text("resource_manager"),
        model=config.execution_model.maybe_text("model") or "",
        load=application.load(config),
        capacity=context.plan.servers,
        processing=application.processing,
    )
    return measured, None if traced.start_ns is None else traced.start_ns / 1e9


def _timelines(
    context: Context, outputs: Outputs, snapshots: Sequence[Snapshot]
) -> Sequence[InstanceTimeline]:
    """The lifecycle of every instance of a workload."""
    timelines = lifecycle.build(outputs.marks, result_builder.clocks(snapshots))
    if timelines:
        instances.write(context.run.directory / INSTANCES_FILE, timelines)
    return timelines


def report(context: Context, result: Result) -> Sequence[Plot]:
    """Draw the plots."""
    from continuum import report as reports

    return reports.draw(context.run.directory, result)


def save(context: Context, result: Result, phases: Sequence[Phase], drawn: Sequence[Plot] | None) -> Result:
    """Write the result once more, and the page, now that all phases have ended."""
    final = replace(result, phases=tuple(phases))
    final.save(context.run.directory)
    if drawn is not None:
        from continuum import report as reports

        reports.write_page(context.run.directory, final, drawn)
    return final
