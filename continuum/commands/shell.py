"""``continuum shell RUN NODE``: a shell on a node."""

from __future__ import annotations

import argparse

from continuum.pipeline.open_run import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", help="run id, a part of it, or its folder")
    parser.add_argument("node", help="node name, as in edge0")


def execute(options: argparse.Namespace) -> int:
    """Open the shell with this terminal; its exit status is passed on."""
    with connect(options.run, options.node) as connection:
        return connection.attach(["/bin/sh", "-c", 'exec "$(command -v bash || command -v sh)" -i'])
