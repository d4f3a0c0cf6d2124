"""The one network connection to a host that all commands share; OpenSSH's control master.

It lives no longer than this process, however that ends: it is ended when a pipe from here closes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from continuum.connection.ssh.command import SshTarget, ssh
from continuum.errors import ConnectionFailure

# Ends with the client's status, or ends it when standard input closes; takes the socket's folder along.
_TIED = (
    'exec 3<&0; d=$1; shift; "$@" </dev/null & p=$!; (cat <&3 >/dev/null; kill "$p") 2>/dev/null & c=$!;'
    ' wait "$p"; s=$?; kill "$c"; rm -rf -- "$d"; exit "$s"'
)
_END_S = 5.0
_SETTLE_S = 1.0
_LONGEST_FOLDER = 60
_POLL_S = 0.01


class Master:
    """Opened by its first user, opened again when it was lost."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._popen is not None and self._popen.poll() is None

    def is_lost(self) -> bool:
        """Whether the connection has ended; waits a moment for its end when one of its commands says so."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(_SETTLE_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def command(self, *words: str) -> list[str]:
        """The client's command through the connection, up to the destination.

        Raises:
            ConnectionFailure: the host cannot be reached, or is not who it should be.
        """
        with self._lock:
            if not self.alive:
                self._open()
            return ssh(self._target, self._socket(), "-o", "ControlMaster=no", *words)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._end()

    def _socket(self) -> Path:
        """A short path: a socket's may hold 108 bytes, and run folders lie anywhere."""
        assert self._folder is not None
        return self._folder / "s"

    def _open(self) -> None:
        self._end()
        usual = tempfile.gettempdir()
        base = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it ours
        self._folder = Path(tempfile.mkdtemp(prefix="continuum-ssh-", dir=base))
        local = ("-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo open")
        client = ssh(self._target, self._socket(), "-o", "ControlMaster=yes", "-N", *local)
        with tempfile.TemporaryFile() as said:
            try:
                self._popen = subprocess.Popen(
                    ["/bin/sh", "-c", _TIED, "sh", str(self._folder), *client],
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    env={**os.environ, "SHELL": "/bin/sh"},
                    start_new_session=True,
                )
            except OSError:
                self._folder.rmdir()
                raise
            self._wait_open(self._popen, said)

    def _wait_open(self, popen: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        deadline = time.monotonic() + self._target.connect_timeout_s + self._target.acceptance_timeout_s
        while b"open\n" not in (words := os.pread(said.fileno(), 65536, 0)):
            if popen.poll() is not None:
                words = os.pread(said.fileno(), 65536, 0)
                break
            if time.monotonic() > deadline:
                self._end()
                break
            time.sleep(_POLL_S)
        else:
            return
        raise ConnectionFailure(self._explain(words.decode("utf-8", "replace")))

    def _explain(self, said: str) -> str:
        target = self._target
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        words = "; ".join(line for line in lines if not set(line) <= {"@"})
        remedy = ""
        if "Host key verification failed" in words:
            remedy = (
                f"; if you trust it, log in once by hand (ssh {target.destination})"
                " or add its key to known_hosts"
            )
        return f"{target.node}: {target.destination} cannot be reached: {words or 'no answer'}{remedy}"

    def _end(self) -> None:
        popen, self._popen = self._popen, None
        if popen is None:
            return
        assert popen.stdin is not None
        with contextlib.suppress(OSError):
            popen.stdin.close()
        try:
            popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, 9)
            popen.wait(_END_S)
