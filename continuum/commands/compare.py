"""``continuum compare RUN RUN...``: compare runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from continuum.commands.run import runs_folder
from continuum.model.result import Result
from continuum.rundir import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum compare``."""
    parser.add_argument("run", nargs="+", help="ids of runs, unique parts of them, or folders; at least two")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for the plot and the page (default: the folder that contains the last run)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as a JSON list")


def execute(options: argparse.Namespace) -> int:
    """Print the comparison and write its plot and page."""
    if len(options.run) < 2:
        from continuum.errors import UsageError

        msg = "continuum compare: at least two runs are required"
        raise UsageError(msg)
    results = [Result.load(runs.find(name)) for name in options.run]
    if options.json:
        print(json.dumps([result.to_json() for result in results], allow_nan=False))
        return 0
    from continuum.report import comparison

    comparison.show(results, options.output or runs_folder(results[-1]))
    return 0
