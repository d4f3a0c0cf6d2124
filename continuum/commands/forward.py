"""``continuum forward RUN NODE PORT``: a port of this machine that leads to one of a node's."""

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
    """What the verb takes."""
    parser.add_argument("run", help="run id, a part of it, or its folder")
    parser.add_argument("node", help="node name, as in cloud0")
    parser.add_argument("port", type=int, help="TCP port on the node's loopback")
    parser.add_argument("--local-port", type=int, help="TCP port here; the same number by default")


def execute(options: argparse.Namespace) -> int:
    """Forward until interrupted; the address to use is printed once it can be."""
    local_port = options.port if options.local_port is None else options.local_port
    with connect(options.run, options.node) as connection:
        try:
            with forward(connection, options.port, local_port=local_port) as port:
                print(f"{HOST}:{port}", flush=True)
                print("forwarding until interrupted (Ctrl-C)", file=sys.stderr)
                with interruptible(), contextlib.suppress(InterruptedRunError):
                    threading.Event().wait()
        except OSError as error:
            msg = f"port {local_port} cannot be had here ({error.strerror}); name another: --local-port 0"
            raise UsageError(msg) from error
    return 0
