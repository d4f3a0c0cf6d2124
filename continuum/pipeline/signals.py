"""SIGINT and SIGTERM: the first one ends the run in an orderly way, a second one shortens the cleanup."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from continuum.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """The signals that this process has received so far.

    Attributes:
        count: signals received.
        shielded: True while a signal is only counted, not raised.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shielded = False

    @property
    def hurry(self) -> bool:
        """Whether a second signal came: shorten waits that are not needed for a clean end."""
        return self.count > 1

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.shielded or self.count > 1:
            return
        name = signal.Signals(number).name
        msg = f"interrupted by {name}"
        raise InterruptedRunError(msg)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Within this, signals are counted but raise nothing: for teardown and for writing results."""
        before, self.shielded = self.shielded, True
        try:
            yield
        finally:
            self.shielded = before


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within this, the first SIGINT, SIGTERM or SIGHUP raises InterruptedRunError."""
    interruption = Interruption()
    unraisable = sys.unraisablehook

    def after_interruption(event: sys.UnraisableHookArgs) -> None:
        # A signal that came while a thread was being started leaves that thread without its papers.
        if interruption.count:
            logging.getLogger(__name__).debug("after the signal: %r in %r", event.exc_value, event.object)
        else:
            unraisable(event)

    sys.unraisablehook = after_interruption
    before = {number: signal.signal(number, interruption._receive) for number in _SIGNALS}  # noqa: SLF001
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable
