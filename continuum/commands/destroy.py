"""``continuum destroy RUN | --all``: remove everything a run, or every run, has left."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from continuum.errors import ContinuumError, UsageError
from continuum.host import facts
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.pipeline import open_run, teardown
from continuum.rundir import run as runs
from continuum.rundir.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", nargs="*", help="run id, a part of it, or its folder")
    parser.add_argument("--all", action="store_true", help="every run of this user that has anything left")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="give up what cannot be removed, such as on a host that will not return; prints what and where",
    )


def execute(options: argparse.Namespace) -> int:
    """Destroy the runs; one that fails or is still in use does not keep the others from it."""
    if bool(options.run) == options.all:
        msg = "continuum destroy: name a run, or say --all"
        raise UsageError(msg)
    if options.forget and options.all:
        raise UsageError("continuum destroy: --forget needs the names of the runs to give up, not --all")
    names = options.run or [run_id for run_id, _ in runs.all_runs()]
    failures = [
        error for name in names if (error := _destroy(name, everything=options.all, forget=options.forget))
    ]
    if options.all:
        failures += _destroy_strays()
    for failure in failures:
        print(failure, file=sys.stderr)
    return max((failure.exit_status for failure in failures), default=0)


def _destroy(name: str, *, everything: bool, forget: bool) -> ContinuumError | None:
    """Destroy one run; with ``everything``, runs that are gone already are passed over."""
    try:
        run = open_run.find(name)
        if everything and run.state().get("status") in teardown.NOTHING_LEFT:
            return None
        run.lock()
        try:
            _tell(run.id, _end(run, forget=forget))
        finally:
            run.unlock()
    except ContinuumError as error:
        return error
    return None


def _end(run: Run, *, forget: bool) -> tuple[str, ...]:
    """Remove everything of a run; what was given up."""
    if forget:
        return teardown.give_up(run)
    teardown.destroy(run)
    return ()


def _tell(run_id: str, left: Sequence[str]) -> None:
    """How it went; what was given up is the answer, on standard output."""
    for line in left:
        print(line)
    what = f"given up; it left this behind, to be removed by hand or by: continuum destroy {run_id}"
    print(f"{run_id}: {what if left else 'nothing left'}", file=sys.stderr)


def _destroy_strays() -> list[ContinuumError]:
    """Remove what carries a run's label though no journal tells of it."""
    here, known = facts.read(), dict(runs.all_runs())
    failures: list[ContinuumError] = []
    providers = [module for _, _, module in registry.all_modules() if isinstance(module, Provider)]
    for provider in providers:
        try:
            survivors = list(provider.survivors(here))
        except ContinuumError as error:
            failures.append(error)
            continue
        for run_id in survivors:
            if run_id in known and teardown.in_use(known[run_id]):
                continue
            try:
                teardown.destroy_stray(provider, run_id)
                print(f"{run_id}: removed by its label", file=sys.stderr)
            except ContinuumError as error:
                failures.append(error)
    return failures
