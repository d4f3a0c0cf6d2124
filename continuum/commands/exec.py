"""``continuum exec RUN NODE -- CMD``: run a command on a node."""

from __future__ import annotations

import argparse
import sys

from continuum.errors import UsageError
from continuum.pipeline.open_run import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum exec``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")
    parser.add_argument("node", help="name of the node, such as edge0")
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command")


def execute(options: argparse.Namespace) -> int:
    """Run the command, attached to this terminal; returns its exit status."""
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        msg = "continuum exec: no command given; example: continuum exec RUN edge0 -- ip addr"
        raise UsageError(msg)
    with connect(options.run, options.node) as connection:
        sys.stdout.flush()
        return connection.attach(argv)
