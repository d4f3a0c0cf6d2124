"""Starts programs on nodes by way of the server of this process, which is started when it is first needed."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.connection.entry.entered import Entered, Streams
from continuum.connection.entry.program_copy import copied_python
from continuum.connection.entry.request import Request
from continuum.errors import ConnectionFailure

_SERVER = Path(__file__).with_name("server.py")
_ANSWER_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0
_ANSWER_BYTES = 1 << 16

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
_NAMES = ("stdin", "stdout", "stderr")


class _Server:
    """The server of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, copied_python() as python:
            try:
                self._popen = _start(theirs.fileno(), python)
            except PermissionError:  # the kernel does not run programs in memory
                self._popen = _start(theirs.fileno(), None)
        ours.settimeout(_ANSWER_TIMEOUT_S)
        self._channel = ours

    def is_usable(self) -> bool:
        """Whether it runs and is a child of this process, which may be a fork of another one."""
        return self.owner == os.getpid() and self._popen.poll() is None

    def ask(self, descriptors: Sequence[int]) -> dict[str, Any]:
        socket.send_fds(self._channel, [b"start"], descriptors)
        raw = self._channel.recv(_ANSWER_BYTES)
        if not raw:
            raise ConnectionResetError
        answer: dict[str, Any] = json.loads(raw)
        if "error" in answer:
            os.waitpid(answer["pid"], 0)
        return answer

    def close(self) -> None:
        self._channel.close()
        if self.owner == os.getpid():
            try:
                self._popen.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(_END_TIMEOUT_S)


def _start(channel: int, python: int | None) -> subprocess.Popen[bytes]:
    """Start the server in the session and process group of this process, whose terminal programs may use."""
    inherited = [channel] if python is None else [channel, python]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SERVER), *map(str, inherited)],
        executable=None if python is None else f"/proc/self/fd/{python}",
        env={},
        pass_fds=inherited,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


_lock = threading.Lock()
_server: _Server | None = None


def spawn(
    request: Request, process: int, stdin: int | None, stdout: int | None, stderr: int | None
) -> Entered:
    """Start a program in the namespaces of another process.

    Args:
        request: the program.
        process: descriptor (pidfd) of the process.
        stdin: a descriptor, ``PIPE``, ``DEVNULL``, or None for that of this process.
        stdout: the same.
        stderr: the same.

    Raises:
        ConnectionFailure: the namespaces cannot be entered.
    """
    theirs: list[int] = []
    opened: list[int] = []
    ours: dict[str, int] = {}
    try:
        for index, wanted in enumerate((stdin, stdout, stderr)):
            theirs.append(_stream(index, wanted, opened, ours))
        text = _memory_file(request.to_json())
        opened.append(text)
        answer = _ask([text, process, *theirs])
    except BaseException:
        for descriptor in ours.values():
            os.close(descriptor)
        raise
    finally:
        for descriptor in opened:
            os.close(descriptor)
    if "error" in answer:
        for descriptor in ours.values():
            os.close(descriptor)
        raise ConnectionFailure(f"{request.argv[0]} cannot be started: {answer['error']}")
    pipes = {
        name: os.fdopen(descriptor, "wb" if name == "stdin" else "rb") for name, descriptor in ours.items()
    }
    return Entered(request.argv, answer["pid"], Streams(**pipes))


def _stream(index: int, wanted: int | None, opened: list[int], ours: dict[str, int]) -> int:
    """The descriptor of a stream for the program; the end of a pipe that stays here is noted in ``ours``."""
    if wanted == PIPE:
        reader, writer = os.pipe()
        theirs, own = (reader, writer) if index == 0 else (writer, reader)
        opened.append(theirs)
        ours[_NAMES[index]] = own
        return theirs
    if wanted == DEVNULL:
        opened.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        return opened[-1]
    return index if wanted is None else wanted


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _ask(descriptors: Sequence[int]) -> dict[str, Any]:
    global _server  # noqa: PLW0603 - one for this process
    with _lock:
        if _server is None or not _server.is_usable():
            if _server is not None:
                _server.close()
            _server = _Server()
        try:
            return _server.ask(descriptors)
        except BaseException as error:  # an interrupt, too: the answer would be taken for that of the next
            _server.close()
            _server = None
            if isinstance(error, (OSError, ValueError)):
                raise ConnectionFailure(f"the process that enters nodes ended early ({error!r})") from error
            raise


def _close() -> None:
    with _lock:
        if _server is not None:
            _server.close()


atexit.register(_close)
