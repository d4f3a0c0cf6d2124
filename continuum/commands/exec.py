"""``continuum exec RUN NODE -- CMD``: run a command on a node."""

from __future__ import annotations

import argparse
import sys

from continuum.errors import UsageError
from continuum.pipeline.open_run import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", help="run id, a part of it, or its folder")
    parser.add_argument("node", help="node name, as in edge0")
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command")


def execute(options: argparse.Namespace) -> int:
    """Run the command with this terminal; its exit status is passed on."""
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        msg = "continuum exec: no command; write e.g. continuum exec RUN edge0 -- ip addr"
        raise UsageError(msg)
    with connect(options.run, options.node) as connection:
        sys.stdout.flush()
        return connection.attach(argv)
