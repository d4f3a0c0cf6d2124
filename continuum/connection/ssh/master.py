"""OpenSSH's control master: the network connection to a host that all commands share.

It ends when this process ends, even after SIGKILL: it watches a pipe from this process.
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

# Ends with the client's status, or kills the client when standard input closes; deletes the socket's folder.
_TIED = (
    'exec 3<&0; d=$1; shift; "$@" </dev/null & p=$!; (cat <&3 >/dev/null; kill "$p") 2>/dev/null & c=$!;'
    ' wait "$p"; s=$?; kill "$c"; rm -rf -- "$d"; exit "$s"'
)
_END_S = 5.0
_SETTLE_S = 1.0
_LONGEST_FOLDER = 60
_POLL_S = 0.01


class Master:
    """A control master, opened at the first use and again after it was lost."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection is open."""
        return self._popen is not None and self._popen.poll() is None

    def is_lost(self) -> bool:
        """Whether the connection has ended; waits a moment, since a command may notice it first."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(_SETTLE_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def command(self, *words: str) -> list[str]:
        """The client's command over this connection, up to the destination.

        Raises:
            ConnectionFailure: the host cannot be reached, or its host key or the login is refused.
        """
        with self._lock:
            if not self.alive:
                self._open()
            return ssh(self._target, self._socket(), "-o", "ControlMaster=no", *words)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._end()

    def _socket(self) -> Path:
        """Path of the control socket; in a temporary folder, since it must not exceed 108 bytes."""
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
                f"; if you trust the host, log in once by hand (ssh {target.destination})"
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
