"""``continuum report RUN``: write and show the report of a run again, from its folder."""

from __future__ import annotations

import argparse
import json

from continuum.model.result import Result
from continuum.rundir import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum report``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def execute(options: argparse.Namespace) -> int:
    """Draw the plots, write the page and print the tables."""
    directory = runs.find(options.run)
    runs.require_no_links(directory)
    result = Result.load(directory)
    if options.json:
        print(json.dumps(result.to_json(), allow_nan=False))
        return 0
    from continuum import report
    from continuum.report import terminal

    report.write(directory, result)
    terminal.show(result)
    return 0
