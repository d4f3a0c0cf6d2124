"""Continuum: deploy, emulate and benchmark the compute continuum from one config file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from continuum.result import Result

__version__ = "0.1.0"


def load(run: str | Path) -> Result:
    """The result of a run, given by its directory or by (the start of) its id.

    Raises:
        UsageError: there is no such run, or it has no result.
    """
    from pathlib import Path

    from continuum.result import Result
    from continuum.run import find

    return Result.load(run if Path(run).is_dir() else find(str(run)))
