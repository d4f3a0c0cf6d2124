"""``continuum forward RUN NODE PORT``: forward a local port to a port of a node."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading

from continuum.connection.forward import HOST, forward
from continuum.errors import InterruptedRunError, UsageError
from continuum.pipeline.open_run import connect
from continuum.pipeline.signals import interruptible


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum forward``."""
    parser.add_argument("run", help="id of the run, a unique part of it, or its folder")
    parser.add_argument("node", help="name of the node, such as cloud0")
    parser.add_argument("port", type=int, help="TCP port on the node's loopback")
    parser.add_argument("--local-port", type=int, help="local TCP port (default: the same number)")


def execute(options: argparse.Namespace) -> int:
    """Forward until interrupted; prints the local address once it accepts connections."""
    local_port = options.port if options.local_port is None else options.local_port
    with connect(options.run, options.node) as connection:
        try:
            with forward(connection, options.port, local_port=local_port) as port:
                print(f"{HOST}:{port}", flush=True)
                print("forwarding until interrupted (Ctrl-C)", file=sys.stderr)
                with interruptible(), contextlib.suppress(InterruptedRunError):
                    threading.Event().wait()
        except OSError as error:
            msg = (
                f"local port {local_port} is unavailable ({error.strerror}); "
                "choose another with --local-port (0 for any free port)"
            )
            raise UsageError(msg) from error
    return 0
