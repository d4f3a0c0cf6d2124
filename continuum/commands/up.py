"""``continuum up CONFIG``: create nodes and links and keep them running."""

from __future__ import annotations

import argparse
from pathlib import Path

from continuum.commands.run import load_all
from continuum.pipeline import progress
from continuum.pipeline import run as pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum up``."""
    parser.add_argument("config", type=Path, help="config file")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def execute(options: argparse.Namespace) -> int:
    """Run the phases up to ``shape``; the last line of standard output is the id of the run."""
    (config,) = load_all([options.config])
    run = pipeline.up(config, progress.choose(options.quiet))
    print(run.id)
    return 0
