"""SIGINT, SIGTERM, SIGHUP, SIGQUIT: the first one ends the run with a teardown, a second one shortens it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from continuum.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_REPEAT_AFTER_S = 0.05


class Interruption:
    """The signals that this process has received so far.

    Attributes:
        count: signals received.
        shielded: True while a signal is only counted, not raised.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shielded = False
        self._number = 0
        self._repetition: threading.Timer | None = None

    @property
    def hurry(self) -> bool:
        """Whether a second signal came: shorten waits that are not needed for a clean end."""
        return self.count > 1

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.shielded or self.count > 1:
            return
        self._number = number
        name = signal.Signals(number).name
        msg = f"interrupted by {name}"
        raise InterruptedRunError(msg)

    def repeat(self) -> None:
        """Send the signal to this process again, since Python discarded the exception it raised."""
        self.count -= 1
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        self._repetition = threading.Timer(_REPEAT_AFTER_S, signal.pthread_kill, (main_thread, self._number))
        self._repetition.daemon = True
        self._repetition.start()

    def end(self) -> None:
        """Repeat nothing any more."""
        if self._repetition is not None:
            self._repetition.cancel()

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Within this, signals are counted but raise nothing: for teardown and for writing results."""
        before, self.shielded = self.shielded, True
        try:
            yield
        finally:
            self.shielded = before


def _is_for_nohup(number: signal.Signals) -> bool:
    """Whether this is SIGHUP in a process that ``nohup`` started, which is to outlive its terminal."""
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within this, the first SIGINT, SIGTERM, SIGHUP or SIGQUIT raises InterruptedRunError."""
    interruption = Interruption()
    unraisable = sys.unraisablehook

    def after_interruption(event: sys.UnraisableHookArgs) -> None:
        if isinstance(event.exc_value, InterruptedRunError):
            # The signal came in a destructor, or in a hook that runs before or after a fork.
            interruption.repeat()
            return
        # A signal that came while a thread was being started leaves that thread without its papers.
        if interruption.count:
            logging.getLogger(__name__).debug("after the signal: %r in %r", event.exc_value, event.object)
        else:
            unraisable(event)

    sys.unraisablehook = after_interruption
    handled = [number for number in _SIGNALS if not _is_for_nohup(number)]
    before = {number: signal.signal(number, interruption._receive) for number in handled}  # noqa: SLF001
    try:
        yield interruption
    finally:
        interruption.end()
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable
