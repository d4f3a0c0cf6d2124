"""``continuum compare RUN RUN...``: compare runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from continuum.commands.run import runs_folder
from continuum.measure.claims import MARGIN
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
    parser.add_argument(
        "--margin",
        type=_percent,
        default=MARGIN,
        metavar="PERCENT",
        help=f"largest change of the latency that counts as no difference (default: {100 * MARGIN:g})",
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def execute(options: argparse.Namespace) -> int:
    """Print the comparison and write its plot and page."""
    if len(options.run) < 2:
        from continuum.errors import UsageError

        msg = "continuum compare: at least two runs are required"
        raise UsageError(msg)
    results = [Result.load(runs.find(name)) for name in options.run]
    if options.json:
        from continuum.report import compare, compare_files

        found = compare.compare(results, options.margin)
        print(json.dumps(compare_files.to_json(found), allow_nan=False))
        return 0
    from continuum.report import comparison

    comparison.show(results, options.output or runs_folder(results[-1]), margin=options.margin)
    return 0


def _percent(text: str) -> float:
    """A percentage above 0 as a share; ValueError for anything else, which argparse reports."""
    value = float(text.strip().removesuffix("%"))
    if not 0 < value <= 100:
        raise ValueError(text)
    return value / 100
