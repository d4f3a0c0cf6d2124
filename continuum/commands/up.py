"""``continuum up CONFIG``: create nodes and links and leave them; prints the run's id."""

from __future__ import annotations

import argparse
from pathlib import Path

from continuum.commands.run import load_all
from continuum.pipeline import progress
from continuum.pipeline import run as pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("config", type=Path, help="config file")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def execute(options: argparse.Namespace) -> int:
    """Bring everything up to shaped links; the last line of stdout is the run's id."""
    (config,) = load_all([options.config])
    run = pipeline.up(config, progress.choose(options.quiet))
    print(run.id)
    return 0
