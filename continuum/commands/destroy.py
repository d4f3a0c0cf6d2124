"""``continuum destroy RUN | --all``: remove everything a run, or every run, has left."""

from __future__ import annotations

import argparse
import sys

from continuum import host, registry, teardown
from continuum import rundir as runs
from continuum.errors import ContinuumError, UsageError
from continuum.module import Provider


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", nargs="*", help="run id, a part of it, or its folder")
    parser.add_argument("--all", action="store_true", help="every run of this user that has anything left")


def execute(options: argparse.Namespace) -> int:
    """Destroy the runs; one that fails or is still in use does not keep the others from it."""
    if bool(options.run) == options.all:
        msg = "continuum destroy: name a run, or say --all"
        raise UsageError(msg)
    names = options.run or [run_id for run_id, _ in runs.all_runs()]
    failures = [error for name in names if (error := _destroy(name, everything=options.all))]
    if options.all:
        failures += _destroy_strays()
    for failure in failures:
        print(failure, file=sys.stderr)
    return max((failure.exit_status for failure in failures), default=0)


def _destroy(name: str, *, everything: bool) -> ContinuumError | None:
    """Destroy one run; with ``everything``, runs that are gone already are passed over."""
    try:
        run = runs.load(runs.find(name))
        if everything and run.state().get("status") in teardown.NOTHING_LEFT:
            return None
        run.lock()
        teardown.destroy(run)
        run.unlock()
    except ContinuumError as error:
        return error
    print(f"{run.id}: nothing left", file=sys.stderr)
    return None


def _destroy_strays() -> list[ContinuumError]:
    """Remove what carries a run's label though no journal tells of it."""
    here, known = host.read(), dict(runs.all_runs())
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
