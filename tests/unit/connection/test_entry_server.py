"""The server that enters namespaces ends quietly with the process that started it."""

from __future__ import annotations

import socket
import subprocess
import sys

from continuum.connection.entry import client


def test_it_ends_quietly_if_nobody_waits_for_its_answer() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        ours.send(b"start")  # without descriptors, which is answered by an error
        ours.close()
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(client._SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
