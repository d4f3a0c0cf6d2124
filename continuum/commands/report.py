"""``continuum report RUN``: the report again, from the run's folder alone."""

from __future__ import annotations

import argparse
import json

from continuum.model.result import Result
from continuum.rundir import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", help="run id, a part of it, or its folder")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def execute(options: argparse.Namespace) -> int:
    """Draw plots and page anew and print the table."""
    directory = runs.find(options.run)
    result = Result.load(directory)
    if options.json:
        print(json.dumps(result.to_json(), allow_nan=False))
        return 0
    from continuum import report
    from continuum.report import terminal

    report.write(directory, result)
    terminal.show(result)
    return 0
