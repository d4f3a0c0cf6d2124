"""``continuum down RUN``: remove what ``up`` created."""

from __future__ import annotations

import argparse
import sys

from continuum.errors import printable
from continuum.pipeline import open_run, teardown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum down``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")


def execute(options: argparse.Namespace) -> int:
    """Remove every resource of the run; its folder stays."""
    run = open_run.find(options.run)
    run.tell = lambda line: print(printable(line), file=sys.stderr)
    run.lock()
    teardown.destroy(run)
    return 0
