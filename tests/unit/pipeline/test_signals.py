"""The first signal ends a run, the second hurries; teardown is never broken."""

import os
import signal
import time

import pytest

from continuum.errors import InterruptedRunError
from continuum.pipeline.signals import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_first_signal_raises(number: signal.Signals) -> None:
    with interruptible() as interruption:
        with pytest.raises(InterruptedRunError, match=number.name):
            signal.raise_signal(number)
        assert not interruption.hurry


def test_a_process_under_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert interruption.count == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_behind_a_shield_signals_are_only_counted() -> None:
    with interruptible() as interruption, interruption.shield():
        os.kill(os.getpid(), signal.SIGINT)
        assert not interruption.hurry
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.hurry


def test_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


class Signalling:
    """Sends a signal when it is collected, where exceptions go nowhere, as in the hooks of ``os.fork``."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def collect_and_wait() -> None:
    Signalling()
    time.sleep(60)


def test_a_signal_that_comes_where_exceptions_go_nowhere_is_not_lost() -> None:
    with interruptible() as interruption:
        with pytest.raises(InterruptedRunError, match="SIGTERM"):
            collect_and_wait()
        assert interruption.count == 1
    time.sleep(0.2)  # nothing is sent afterwards
