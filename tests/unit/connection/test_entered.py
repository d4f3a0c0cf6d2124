"""A child of this process that was not started by ``subprocess``."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from continuum.connection.entry.client import PIPE
from continuum.connection.entry.entered import Entered, Streams
from continuum.connection.entry.program_copy import copied_python
from continuum.host import capabilities

DEADLINE_S = 20


def start(script: str, *, with_input: bool = False) -> Entered:
    """A shell that somebody else has started; ``Popen`` is told that it was waited for."""
    popen = subprocess.Popen(
        ["sh", "-c", script], stdin=PIPE if with_input else None, stdout=PIPE, stderr=PIPE
    )
    popen.returncode = 0
    return Entered(("sh",), popen.pid, Streams(popen.stdin, popen.stdout, popen.stderr))


def test_output_and_status() -> None:
    child = start("echo out; echo err >&2; exit 3")
    assert child.communicate(None, DEADLINE_S) == (b"out\n", b"err\n")
    assert (child.poll(), child.wait(), child.returncode) == (3, 3, 3)


def test_input_larger_than_a_pipe() -> None:
    data = b"0123456789" * 100_000
    assert start("cat", with_input=True).communicate(data, DEADLINE_S) == (data, b"")


def test_a_program_that_does_not_read_its_input() -> None:
    assert (
        start("exec 0<&-; echo done", with_input=True).communicate(b"x" * 1_000_000, DEADLINE_S)[0]
        == b"done\n"
    )


def test_a_signal_is_a_negative_status() -> None:
    child = start("sleep 99")
    assert child.poll() is None
    child.kill()
    assert child.wait(DEADLINE_S) == -signal.SIGKILL
    child.kill()


def test_time_limits() -> None:
    child = start("exec sleep 99")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    with pytest.raises(subprocess.TimeoutExpired):
        child.communicate(None, 0.01)
    child.terminate()
    assert child.wait(DEADLINE_S) == -signal.SIGTERM


def test_the_copy_of_python_cannot_be_changed() -> None:
    with copied_python() as descriptor:
        assert descriptor is not None
        with pytest.raises(PermissionError), open(f"/proc/self/fd/{descriptor}", "r+b", buffering=0) as file:
            file.write(b"x")
        environment = {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        done = subprocess.run(
            ["python", "--version"],
            executable=f"/proc/self/fd/{descriptor}",
            env=environment,
            pass_fds=[descriptor],
            stdout=PIPE,
            check=True,
            timeout=DEADLINE_S,
        )
    assert done.stdout.startswith(b"Python 3.")


def test_a_limited_program_has_what_is_kept_and_nothing_else() -> None:
    if os.geteuid() != 0:
        pytest.skip("capabilities are root's")
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            capabilities.limit_next_program(capabilities.numbers(["KILL", "NET_RAW"]), capabilities.last())
            os.dup2(writer, 1)
            os.execv("/bin/grep", ["grep", "Cap", "/proc/self/status"])
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as file:
        lines = dict(line.split(":") for line in file.read().splitlines())
    os.wait()
    expected = 1 << 5 | 1 << 13
    assert [int(lines[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")] == [expected] * 3
    assert [int(lines[name], 16) for name in ("CapInh", "CapAmb")] == [0, 0]


def test_numbers_of_capabilities_are_the_kernels() -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        bound = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    assert max(capabilities.NUMBERS.values()) <= capabilities.last()
    assert bound >> (capabilities.last() + 1) == 0
