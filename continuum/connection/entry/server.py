"""``python -I -S .../server.py SOCKET [DESCRIPTOR]``: enters namespaces for the process that started it.

Each message on the socket (SOCK_SEQPACKET) brings descriptors: of a memory file with a ``Request``, of the
node's process 1, and of the program's standard input, output and error. The answer is JSON: ``pid``, the id
of a process that ends with the status of the program, and ``error`` if it cannot be started.

The program's parent must wait for it, because the kernel ends a PID namespace only when nothing of it is left
to be waited for. So the process ``pid`` does nothing else. It is a child of the process that started this
server (CLONE_PARENT). The server ends when the socket is closed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
import warnings  # noqa: F401 - needed by os.execvpe, and nothing is imported within a node
from typing import NoReturn

_ROOT = __file__.rpartition("/continuum/")[0]
if __name__ == "__main__":
    sys.path.insert(0, _ROOT)

from continuum.host import capabilities  # noqa: E402
from continuum.host.clone import (  # noqa: E402
    CLONE_NEWUSER,
    CLONE_PARENT,
    NODE_NAMESPACES,
    clone,
    set_namespaces,
)

NOT_FOUND = 127
NOT_STARTED = 126
_DESCRIPTORS = 5
_INT = struct.Struct("i")
_OF_TERMINALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""Signals that a terminal sends to the program as well, which is in the same process group."""


def serve(channel: socket.socket) -> None:
    """Answer requests until the other end is closed."""
    last_capability = capabilities.last()
    while True:
        raw, descriptors = _receive(channel)
        if not raw:
            return
        try:
            answer = _start(descriptors, last_capability)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.send(json.dumps(answer).encode())


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """The next message; programs do not inherit its descriptors, as they would from ``socket.recv_fds``."""
    size = socket.CMSG_LEN(_DESCRIPTORS * _INT.size)
    raw, extra, _, _ = channel.recvmsg(16, size, socket.MSG_CMSG_CLOEXEC)
    return raw, [number for _, _, data in extra for (number,) in _INT.iter_unpack(data)]


def _start(descriptors: list[int], last_capability: int) -> dict[str, object]:
    reader, writer = os.pipe()
    pid = clone(CLONE_PARENT)
    if pid == 0:
        os.close(reader)
        _attend(descriptors, writer, last_capability)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        error = file.read().decode("utf-8", "replace")
    return {"pid": pid, "error": error} if error else {"pid": pid}


def _attend(descriptors: list[int], writer: int, last_capability: int) -> NoReturn:
    """Start the program in the node's namespaces, and end as it ends."""
    try:
        program = _enter(descriptors, last_capability)
        for descriptor in (*descriptors, writer):
            os.close(descriptor)
        _, status = os.waitpid(program, 0)
        _end_like(status)
    except BaseException as error:
        os.write(writer, str(error).encode("utf-8", "replace"))
    os._exit(NOT_STARTED)


def _end_like(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _enter(descriptors: list[int], last_capability: int) -> int:
    """Enter the node's namespaces and start the program; its id."""
    request_file, process, *streams = descriptors
    with os.fdopen(os.dup(request_file), "rb") as file:
        request = json.loads(file.read())
    groups = [os.open(name, os.O_WRONLY | os.O_CLOEXEC) for name in request["join"]]
    user = CLONE_NEWUSER if request["in_user_namespace"] else 0
    sys.meta_path.clear()  # from here on, paths are those of the node: no module must be loaded from them
    set_namespaces(process, NODE_NAMESPACES | user)
    pid = clone(0)  # a PID namespace is entered by children only
    if pid == 0:
        _become(request, streams, groups, last_capability)
    for group in groups:
        os.close(group)
    return pid


def _become(
    request: dict[str, object], streams: list[int], groups: list[int], last_capability: int
) -> NoReturn:
    status = NOT_STARTED
    try:
        if request["new_session"]:
            os.setsid()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        for group in groups:
            os.write(group, b"0")  # moves this process
        _reset_signals()
        kept, argv, environment = request["capabilities"], request["argv"], request["environment"]
        assert isinstance(argv, list)
        assert isinstance(environment, dict)
        if isinstance(kept, list):
            capabilities.limit_next_program(kept, last_capability)
        try:
            os.execvpe(argv[0], argv, environment)
        except FileNotFoundError:
            status = NOT_FOUND
            raise
    except BaseException as error:
        text = error.strerror if isinstance(error, OSError) else repr(error)
        os.write(2, f"{request['argv'][0]}: {text}\n".encode("utf-8", "replace"))  # type: ignore[index]
    finally:
        os._exit(status)


def _reset_signals() -> None:
    """Undo what this server and Python ignore, which the program would inherit."""
    for number in (*_OF_TERMINALS, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Serve the process that started this one."""
    gc.disable()  # a collection in a child would copy the memory that it shares with the server
    for ignored in (*_OF_TERMINALS, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")
    channel, *others = (int(word) for word in sys.argv[1:])
    # A program that had the socket could start others with all capabilities.
    os.set_inheritable(channel, False)
    for descriptor in others:
        os.close(descriptor)
    with contextlib.suppress(ConnectionError):  # the other process was ended while it waited for an answer
        serve(socket.socket(fileno=channel))


if __name__ == "__main__":
    main()
