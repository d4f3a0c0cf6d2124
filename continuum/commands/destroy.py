"""``continuum destroy RUN | --all``: remove everything that runs left behind."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.errors import ContinuumError, UsageError, printable
from continuum.host import facts
from continuum.host.files import explain
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.pipeline import open_run, teardown
from continuum.rundir import run as runs
from continuum.rundir import run_lock
from continuum.rundir.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum destroy``."""
    parser.add_argument("run", nargs="*", help="id of the run, a unique part of it, or its folder")
    parser.add_argument(
        "--all", action="store_true", help="every run of this user that left something behind"
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="forget resources that cannot be removed, such as those on a lost host; prints them",
    )


def execute(options: argparse.Namespace) -> int:
    """Destroy the runs. A run that fails or is in use does not stop the others."""
    if bool(options.run) == options.all:
        msg = "continuum destroy: name a run, or use --all"
        raise UsageError(msg)
    if options.forget and options.all:
        raise UsageError(
            "continuum destroy: --forget requires the names of runs and cannot be combined with --all"
        )
    names = options.run or [run_id for run_id, _ in runs.all_runs()]
    failures = [
        error for name in names if (error := _destroy(name, everything=options.all, forget=options.forget))
    ]
    if options.all:
        failures += _destroy_strays()
    for text in dict.fromkeys(map(str, failures)):
        _say(text)
    return max((failure.exit_status for failure in failures), default=0)


def _destroy(name: str, *, everything: bool, forget: bool) -> ContinuumError | None:
    """Destroy one run; with ``everything``, skip a run that left nothing behind."""
    try:
        run = open_run.find(name)
        run.tell = _say
        if everything and run.state().get("status") in teardown.NOTHING_LEFT:
            return None
        run.lock()
        try:
            _tell(run.id, _end(run, forget=forget))
        finally:
            run.unlock()
    except ContinuumError as error:
        return error
    except OSError as error:
        return ContinuumError(f"{name}: {explain(error)}")
    return None


def _end(run: Run, *, forget: bool) -> tuple[str, ...]:
    """Remove everything of a run; returns what was given up."""
    if forget:
        return teardown.give_up(run)
    teardown.destroy(run)
    return ()


def _tell(run_id: str, left: Sequence[str]) -> None:
    """Report the outcome; resources that were given up go to standard output."""
    for line in left:
        print(printable(line))
    what = f"given up; what is listed may still exist; try later: continuum destroy {run_id}"
    _say(f"{run_id}: {what if left else 'nothing left'}")


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)


def _destroy_strays() -> list[ContinuumError]:
    """Remove resources that have a run's label although the run's folder is gone, elsewhere or damaged."""
    here, known = facts.read(), dict(runs.all_runs())
    failures: list[ContinuumError] = []
    providers = [module for _, _, module in registry.all_modules() if isinstance(module, Provider)]
    for provider in providers:
        try:
            survivors = provider.survivors(here)
        except ContinuumError as error:
            failures.append(error)
            continue
        named = survivors if isinstance(survivors, Mapping) else dict.fromkeys(survivors, "")
        for run_id, folder in named.items():
            directory = known.get(run_id) or (Path(folder) if folder else None)
            if failure := _destroy_stray(provider, run_id, directory):
                failures.append(failure)
    return failures


def _destroy_stray(provider: Provider, run_id: str, directory: Path | None) -> ContinuumError | None:
    """Remove what is left of a run, from its folder if it has one; does nothing if the run is in use."""
    if directory is not None and runs.is_run(directory):
        return (
            None if run_lock.is_held(directory) else _destroy(str(directory), everything=False, forget=False)
        )
    try:
        teardown.destroy_stray(provider, run_id)
    except ContinuumError as error:
        return error
    _say(f"{run_id}: removed (found by its label)")
    return None
