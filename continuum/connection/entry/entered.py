"""A program on a node, by a child of this process; has what is needed of ``subprocess.Popen``."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO, NamedTuple

_CHUNK_BYTES = 1 << 16
_PIPE_BYTES = select.PIPE_BUF


class Streams(NamedTuple):
    """The ends of pipes that stay in this process; None for streams that are no pipes."""

    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None


class Entered:
    """A program on a node, by the child of this process that ends with the same status.

    Args:
        argv: the program and its arguments, for messages.
        pid: id of the child; it must not have been waited for.
        streams: its pipes.

    Attributes:
        returncode: its exit status, or the negative number of the signal that killed it; None until then.
    """

    def __init__(self, argv: Sequence[str], pid: int, streams: Streams) -> None:
        self.args, self.pid = tuple(argv), pid
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._waiting = threading.Lock()

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        with self._waiting:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Exit status; raises subprocess.TimeoutExpired after ``timeout`` seconds."""
        with self._waiting:
            descriptor = os.pidfd_open(self.pid) if self.returncode is None else -1
        if descriptor >= 0:
            try:
                ended = select.poll()
                ended.register(descriptor, select.POLLIN)
                if not ended.poll(None if timeout is None else max(0.0, timeout) * 1000):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            finally:
                os.close(descriptor)
        while (status := self.poll()) is None:
            time.sleep(0)  # another thread is between the end and the status
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal; harmless if it has ended."""
        with self._waiting:
            if self.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM; harmless if it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL; harmless if it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, data: bytes | None, timeout: float) -> tuple[bytes, bytes]:
        """Write its input, read its output to the end, and wait for it.

        Raises:
            subprocess.TimeoutExpired: it did not end within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        received: dict[IO[bytes], list[bytes]] = {pipe: [] for pipe in (self.stdout, self.stderr) if pipe}
        with selectors.DefaultSelector() as selector:
            for pipe in received:
                selector.register(pipe, selectors.EVENT_READ, pipe)
            if self.stdin is not None:
                selector.register(self.stdin, selectors.EVENT_WRITE)
            unsent = memoryview(data or b"")
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise subprocess.TimeoutExpired(self.args, timeout)
                for key, _ in selector.select(left):
                    if key.fileobj is self.stdin:
                        unsent = self._feed(selector, unsent)
                    else:
                        _read(selector, key.data, received[key.data])
        self.wait(max(0.0, deadline - time.monotonic()))
        parts = [b"".join(received[pipe]) if pipe else b"" for pipe in (self.stdout, self.stderr)]
        return parts[0], parts[1]

    def _feed(self, selector: selectors.BaseSelector, unsent: memoryview) -> memoryview:
        """Write some of its input, and close the pipe after the last."""
        assert self.stdin is not None
        try:
            unsent = unsent[os.write(self.stdin.fileno(), unsent[:_PIPE_BYTES]) :] if unsent else unsent
        except BrokenPipeError:
            unsent = memoryview(b"")  # it does not read on
        if not unsent:
            selector.unregister(self.stdin)
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        return unsent


def _read(selector: selectors.BaseSelector, pipe: IO[bytes], received: list[bytes]) -> None:
    chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
    if chunk:
        received.append(chunk)
    else:
        selector.unregister(pipe)
        pipe.close()
