"""One pass through all phases: from a config to a report, with nothing left behind.

``check -> probe -> provision -> install -> deploy -> shape -> verify -> benchmark -> collect -> analyse ->
report -> teardown``. What each does is in ``continuum.pipeline.steps``; this file only puts them in order and
decides what still happens when one of them fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from continuum.errors import ContinuumError, HostError, InterruptedRunError, InvalidRunError, ProvisionError
from continuum.host import facts
from continuum.model.config import Config
from continuum.model.result import Result
from continuum.modules.plan import load_modules
from continuum.pipeline import steps, teardown
from continuum.pipeline.progress import Progress
from continuum.pipeline.recorder import Recorder
from continuum.pipeline.signals import Interruption, interruptible
from continuum.pipeline.steps import Session, probe
from continuum.rundir import run as runs
from continuum.rundir.run import Run

__all__ = ["Outcome", "load_modules", "probe", "run", "up"]

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
        progress: who is told how it goes.
        keep: ``never``, ``on-failure`` or ``always`` leave the nodes up; None is what the config says.
    """
    recorder = Recorder(progress)
    progress.start(f"{config.path.name}: {config.infrastructure.text('provider')}")
    with interruptible() as interruption:
        try:
            session = _begin(config, recorder)
        except ContinuumError as error:
            progress.stop()
            return Outcome(None, error)
        failure: ContinuumError | None
        try:
            failure = _advance(session, recorder, progress)
        except InterruptedRunError as error:
            failure = error  # it came between two phases
        with interruption.shield():
            return _finish(session, recorder, progress, failure, keep or config.keep, interruption)


def up(config: Config, progress: Progress) -> Run:
    """Create the nodes and links of a config and leave them; whatever fails is taken down again."""
    recorder = Recorder(progress)
    progress.start(f"{config.path.name}: {config.infrastructure.text('provider')}")
    with interruptible() as interruption:
        session = _begin(config, recorder)
        try:
            with _translated():
                _bring_up(session, recorder)
                session.run.update_state(status="up")
        except ContinuumError as error:
            with interruption.shield(), recorder.phase("teardown"):
                teardown.destroy(session.run, "failed")
            raise error from None
        finally:
            session.close()
            progress.stop()
    session.run.unlock()
    return session.run


def _begin(config: Config, recorder: Recorder) -> Session:
    """Everything that creates nothing but the run's folder."""
    with recorder.phase("check"):
        modules = load_modules(config)
    with recorder.phase("probe"):
        here = facts.read()
        problems = probe(modules, config, here)
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
    return Session(made, modules, here)


def _bring_up(session: Session, recorder: Recorder) -> None:
    """Nodes with shaped links; workloads on them wait for the start."""
    with recorder.phase("provision"):
        steps.provision(session, recorder.progress)
    with recorder.phase("install"):
        steps.install(session)
    if session.wants_benchmark:
        with recorder.phase("deploy"):
            steps.deploy(session)
    with recorder.phase("shape"):
        steps.shape(session)


def _advance(session: Session, recorder: Recorder, progress: Progress) -> ContinuumError | None:
    """The phases up to the end of the benchmark; what went wrong, if anything did."""
    if not session.wants_benchmark:
        recorder.skip(*BENCHMARK_PHASES)
    try:
        with _translated():
            _bring_up(session, recorder)
            with recorder.phase("verify"):
                steps.verify(session)
            if session.wants_benchmark:
                with recorder.phase("benchmark"):
                    steps.benchmark(session, progress)
    except ContinuumError as error:
        return error
    return None


def _finish(
    session: Session,
    recorder: Recorder,
    progress: Progress,
    error: ContinuumError | None,
    keep: str,
    interruption: Interruption,
) -> Outcome:
    """Collect, analyse, report and tear down, each whatever happened to the others."""
    errors = [error] if error else []
    with _kept(errors):
        if session.jobs:
            with recorder.phase("collect"):
                steps.collect(session, hurry=interruption.hurry)
    with _kept(errors):
        with recorder.phase("analyse"):
            steps.analyse(session, recorder.phases, errors)
        if isinstance(error, InterruptedRunError):
            recorder.skip("report")
        else:
            with recorder.phase("report"):
                steps.report(session)
    if session.result is not None and session.result.invalid_reasons and not errors:
        errors.append(InvalidRunError("; ".join(session.result.invalid_reasons)))
    told = max(1, len(errors))
    with _kept(errors):
        _tear_down(session, recorder, progress, keep, failed=bool(errors))
    for late in errors[told:]:
        progress.message(str(late))  # something may be left, whatever else went wrong before
    with _kept(errors):
        steps.save(session, recorder.phases)
    session.close()
    progress.stop()
    return Outcome(session.result, errors[0] if errors else None)


def _tear_down(session: Session, recorder: Recorder, progress: Progress, keep: str, *, failed: bool) -> None:
    if keep == "always" or (keep == "on-failure" and failed):
        recorder.skip("teardown")
        session.run.update_state(status="up")
        progress.message(f"nodes are kept; remove them with: continuum destroy {session.run.id}")
    else:
        with recorder.phase("teardown"):
            teardown.destroy(session.run, "failed" if failed else "done")
    session.run.unlock()


@contextlib.contextmanager
def _kept(errors: list[ContinuumError]) -> Iterator[None]:
    """Keep what goes wrong for the end, so that the next step still happens."""
    try:
        with _translated():
            yield
    except ContinuumError as error:
        errors.append(error)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say in words what the operating system refused."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        kind = HostError if error.filename else ProvisionError
        raise kind(f"{error.strerror or error}{where}") from error
    except Exception as error:
        # A mistake of ours must not keep the run from being torn down either.
        if isinstance(error, ContinuumError):
            raise
        msg = f"internal error: {type(error).__name__}: {error}; the traceback is in the run's logs"
        raise ContinuumError(msg) from error
