"""Connects the standard streams of this process to those of a command in a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator

from infrastructure.docker.engine_api import Stream

_CHUNK_BYTES = 1 << 16


def is_terminal() -> bool:
    """Whether standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def join(stream: Stream, resize: Callable[[int, int], None]) -> None:
    """Pass input and output on until the command's output ends.

    Args:
        stream: the command's streams.
        resize: receives the terminal's rows and columns, now and on every change.
    """
    with _raw(resize):
        threading.Thread(target=_feed, args=(stream,), daemon=True).start()
        for kind, piece in stream.frames():
            os.write(2 if kind == 2 else 1, piece)


def _feed(stream: Stream) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            stream.send(data)
    stream.end_input()


@contextlib.contextmanager
def _raw(resize: Callable[[int, int], None]) -> Iterator[None]:
    """Pass every key on as it is pressed, if this is a terminal."""
    if not is_terminal():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        return

    def tell(*_: object) -> None:
        size = shutil.get_terminal_size()
        resize(size.lines, size.columns)

    kept = termios.tcgetattr(0)
    former = signal.signal(signal.SIGWINCH, tell)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # keeps input that was typed before
        tell()
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, kept)
        signal.signal(signal.SIGWINCH, former)
