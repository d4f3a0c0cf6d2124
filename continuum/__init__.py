"""Continuum: deploy, emulate and benchmark the compute continuum from one config file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from continuum.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from continuum.model.result import Result

__all__ = ["__version__", "load", "run"]


def load(run: str | Path) -> Result:
    """Load the result of a run, given by its directory, its id, or a unique part of its id.

    Raises:
        UsageError: there is no such run, or it has no result.
    """
    from pathlib import Path

    from continuum.model.result import Result
    from continuum.rundir.run import find

    return Result.load(run if Path(run).is_dir() else find(str(run)))


def run(path: str | Path) -> Result:
    """Run a config file from beginning to end, without output, and return the result.

    If something goes wrong after results exist, the result is returned with ``valid`` False. The config runs
    once; its ``repeats`` are for the command line.

    Raises:
        ContinuumError: the config has errors, or the run ended before there was a result.
    """
    from pathlib import Path

    from continuum.config import loader as config
    from continuum.pipeline import run as pipeline
    from continuum.pipeline.progress import Progress

    outcome = pipeline.run(config.load(Path(path)), Progress())
    if outcome.result is None:
        raise outcome.error or RuntimeError("no result")
    return outcome.result
