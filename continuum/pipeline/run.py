"""One pass through all phases: from a config to a report, with nothing left behind.

``check -> probe -> provision -> install -> deploy -> shape -> verify -> benchmark -> collect -> analyse ->
report -> teardown``. What each does is in ``steps`` and ``analyse``; this file only puts them in order and
decides what still happens when one of them fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from continuum.config.planner import load_modules, make_plan
from continuum.errors import (
    ContinuumError,
    HostError,
    InterruptedRunError,
    InvalidRunError,
    ProvisionError,
)
from continuum.host import facts
from continuum.host.files import explain
from continuum.model.config import Config
from continuum.model.result import Result
from continuum.pipeline import analyse, result_builder, steps, teardown
from continuum.pipeline.context import Context
from continuum.pipeline.outputs import Outputs
from continuum.pipeline.progress import Progress
from continuum.pipeline.recorder import Recorder
from continuum.pipeline.signals import Interruption, interruptible
from continuum.pipeline.watch.tolerated import Tolerated
from continuum.pipeline.watch.watcher import Watcher
from continuum.report.style import Plot
from continuum.rundir import run as runs
from continuum.rundir.run import Run

BENCHMARK_PHASES = ("deploy", "benchmark", "collect")


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        result: what it found out; None when it ended before it had a folder.
        error: what ended it early or makes it invalid; None when all is well.
    """

    result: Result | None
    error: ContinuumError | None


def run(config: Config, progress: Progress, *, keep: str | None = None) -> Outcome:
    """Run a config from beginning to end and tear everything down.

    Args:
        config: what to run.
        progress: receives the progress of phases, nodes and requests.
        keep: ``never``, ``on-failure`` or ``always`` leave the nodes up; None is what the config says.
    """
    recorder = Recorder(progress)
    progress.start(f"{config.path.name}: {config.infrastructure.text('provider')}")
    with interruptible() as interruption:
        try:
            context = _begin(config, recorder)
        except ContinuumError as error:
            progress.stop()
            return Outcome(None, error)
        current = _Pass(context, recorder)
        failure: ContinuumError | None
        try:
            failure = current.advance()
        except InterruptedRunError as error:
            failure = error  # it came between two phases
        with interruption.shield():
            return current.finish(failure, keep or config.keep, interruption)


def up(config: Config, progress: Progress) -> Run:
    """Create the nodes and links of a config and leave them; removes everything again if a phase fails."""
    recorder = Recorder(progress)
    progress.start(f"{config.path.name}: {config.infrastructure.text('provider')}")
    with interruptible() as interruption:
        context = _begin(config, recorder)
        current = _Pass(context, recorder)
        try:
            with _converted_errors(context.run.directory):
                current.bring_up()
                context.run.update_state(status="up")
        except ContinuumError as error:
            with interruption.shield(), recorder.phase("teardown"):
                teardown.destroy(context.run, "failed")
            raise error from None
        finally:
            current.close()
            progress.stop()
    context.run.unlock()
    return context.run


def _begin(config: Config, recorder: Recorder) -> Context:
    """Everything that creates nothing but the run's folder."""
    with recorder.phase("check"):
        modules = load_modules(config)
        plan = make_plan(config, modules)
    with recorder.phase("probe"):
        here = facts.read()
        problems = steps.probe(modules, plan, here)
        for problem in problems:
            if problem.severity == "warning":
                recorder.progress.message(str(problem))
        if errors := [problem for problem in problems if problem.severity == "error"]:
            raise HostError(errors)
    made = runs.create(config)
    recorder.run = made
    made.tell = recorder.progress.message
    for problem in problems:
        made.note(problem.message)
    return Context(made, modules, plan, here)


class _Pass:
    """The phases of one run in their order, and what they have made so far."""

    def __init__(self, context: Context, recorder: Recorder) -> None:
        self._context = context
        self._recorder = recorder
        self._outputs = Outputs()

    def _keep(self, **made: object) -> Outputs:
        self._outputs = replace(self._outputs, **made)  # type: ignore[arg-type]
        return self._outputs

    def bring_up(self) -> None:
        """Nodes with shaped links; workloads on them wait for the start."""
        context, recorder = self._context, self._recorder
        with recorder.phase("provision"):
            deployment = steps.provision(context, recorder.progress)
            self._keep(deployment=deployment)
        with recorder.phase("install"):
            deployment = steps.install(context, deployment)
            self._keep(deployment=deployment)
        if context.wants_benchmark:
            with recorder.phase("deploy"):
                for job in steps.deploy(context, deployment):
                    self._keep(jobs=(*self._outputs.jobs, job))
        with recorder.phase("shape"):
            self._keep(deployment=steps.shape(context, deployment))

    def advance(self) -> ContinuumError | None:
        """The phases up to the end of the benchmark; returns what went wrong, if anything did."""
        context, recorder = self._context, self._recorder
        if not context.wants_benchmark:
            recorder.skip(*BENCHMARK_PHASES)
        try:
            with _converted_errors(context.run.directory):
                self.bring_up()
                with recorder.phase("verify"):
                    self._keep(fidelity=steps.verify(context, self._outputs.existing))
                if context.wants_benchmark:
                    with recorder.phase("benchmark"):
                        self._benchmark()
        except ContinuumError as error:
            return error
        return None

    def _benchmark(self) -> None:
        context, made, progress = self._context, self._outputs, self._recorder.progress
        before = self._snapshot()
        self._keep(snapshots=(before,))
        tolerated = Tolerated.of(context.config)
        watcher = Watcher(context.run, made.existing, context.modules.provider, tolerated)
        try:
            with watcher:
                incidents = steps.benchmark(context, made.existing, made.jobs, progress)
        finally:
            self._keep(during=watcher.report(), watched_from_s=watcher.start_s)
        self._keep(incidents=incidents, snapshots=(before, self._snapshot()))

    def _snapshot(self) -> result_builder.Snapshot:
        context = self._context
        return result_builder.snapshot(self._outputs.existing, context.modules.provider, context.run)

    def finish(self, error: ContinuumError | None, keep: str, interruption: Interruption) -> Outcome:
        """Collect, analyse, report and tear down, each whatever happened to the others."""
        context, recorder = self._context, self._recorder
        errors = [error] if error else []
        with _collected(errors):
            if self._outputs.jobs:
                with recorder.phase("collect"):
                    self._collect(hurry=interruption.hurry)
        result: Result | None = None
        drawn: Sequence[Plot] | None = None
        with _collected(errors):
            with recorder.phase("analyse"):
                result = analyse.analyse(context, self._outputs, recorder.phases, errors)
                analyse.check_measured(context, result)
            if isinstance(error, InterruptedRunError):
                recorder.skip("report")
            else:
                with recorder.phase("report"):
                    drawn = analyse.report(context, result)
        if result is not None and result.invalid_reasons and not errors:
            errors.append(InvalidRunError("; ".join(result.invalid_reasons)))
        shown = max(1, len(errors))
        with _collected(errors):
            self._tear_down(keep, failed=bool(errors))
        for late in errors[shown:]:
            recorder.progress.message(str(late))  # something may be left, whatever else went wrong before
        with _collected(errors):
            if result is not None:
                result = analyse.save(context, result, recorder.phases, drawn)
        self.close()
        recorder.progress.stop()
        return Outcome(result, errors[0] if errors else None)

    def _collect(self, *, hurry: bool) -> None:
        made = self._outputs
        self._keep(marks=steps.collect(self._context, made.existing, made.jobs, hurry=hurry))

    def _tear_down(self, keep: str, *, failed: bool) -> None:
        run, recorder = self._context.run, self._recorder
        if keep == "always" or (keep == "on-failure" and failed):
            recorder.skip("teardown")
            run.update_state(status="up")
            recorder.progress.message(f"nodes are kept; remove them with: continuum destroy {run.id}")
        else:
            with recorder.phase("teardown"):
                teardown.destroy(run, "failed" if failed else "done")
        run.unlock()

    def close(self) -> None:
        """Close the connections to nodes."""
        if self._outputs.deployment is not None:
            for connection in self._outputs.deployment.connections.values():
                with contextlib.suppress(ContinuumError, OSError):
                    connection.close()


@contextlib.contextmanager
def _collected(errors: list[ContinuumError]) -> Iterator[None]:
    """Collect what goes wrong, so that the next step still happens."""
    try:
        with _converted_errors():
            yield
    except ContinuumError as error:
        errors.append(error)


@contextlib.contextmanager
def _converted_errors(written: Path | None = None) -> Iterator[None]:
    """Convert OSError and unexpected exceptions to ContinuumError.

    Args:
        written: folder that is named if the disk is full and the error does not say where.
    """
    try:
        yield
    except OSError as error:
        kind = HostError if error.filename else ProvisionError
        raise kind(explain(error, written)) from error
    except Exception as error:
        # A defect of this program must not keep the run from being torn down either.
        if isinstance(error, ContinuumError):
            raise
        msg = f"internal error: {type(error).__name__}: {error}; the traceback is in the run's logs"
        raise ContinuumError(msg) from error
