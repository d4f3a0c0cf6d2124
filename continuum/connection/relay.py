"""Runs on a node: connects its standard streams with a TCP port of the node's loopback interface.

Called as ``python3 -c SOURCE PORT``.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

_PIECE_BYTES = 1 << 16


def main(port: int) -> None:
    """Copy in both directions until both sides have closed their output."""
    there = socket.create_connection(("127.0.0.1", port))

    def answer() -> None:
        while piece := there.recv(_PIECE_BYTES):
            while piece:
                piece = piece[os.write(1, piece) :]
        os._exit(0)

    threading.Thread(target=answer, daemon=True).start()
    while piece := os.read(0, _PIECE_BYTES):
        there.sendall(piece)
    there.shutdown(socket.SHUT_WR)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
