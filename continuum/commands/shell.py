"""``continuum shell RUN NODE``: open a shell on a node."""

from __future__ import annotations

import argparse

from continuum.pipeline.open_run import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum shell``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")
    parser.add_argument("node", help="name of the node, such as edge0")


def execute(options: argparse.Namespace) -> int:
    """Open a shell, attached to this terminal; returns its exit status."""
    with connect(options.run, options.node) as connection:
        return connection.attach(["/bin/sh", "-c", 'exec "$(command -v bash || command -v sh)" -i'])
