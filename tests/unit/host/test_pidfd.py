"""A process gets a signal only if it is the one that is meant."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from continuum.host import pidfd

END_S = 20


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "MARK": "x"})
    yield process
    process.kill()
    process.wait(END_S)


def test_a_process_without_the_mark_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    assert not pidfd.send(sleeper.pid, signal.SIGKILL, lambda pid: pidfd.has_in_environment(pid, "MARK=y"))
    assert not pidfd.has_in_environment(sleeper.pid, "MARK=")
    assert sleeper.poll() is None
    assert pidfd.send(sleeper.pid, signal.SIGKILL, lambda pid: pidfd.has_in_environment(pid, "MARK=x"))
    assert sleeper.wait(END_S) == -signal.SIGKILL


def test_a_process_that_has_ended_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait(END_S)
    assert not pidfd.send(sleeper.pid, signal.SIGKILL, lambda _pid: True)
    assert pidfd.start_time(sleeper.pid) == 0


def test_without_process_descriptors_the_process_is_still_checked(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(38, "not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert not pidfd.send(sleeper.pid, signal.SIGKILL, lambda _pid: False)
    assert pidfd.send(sleeper.pid, signal.SIGKILL, lambda _pid: True)
    assert sleeper.wait(END_S) == -signal.SIGKILL
