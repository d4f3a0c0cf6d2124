"""Runs a program on this host; if it fails, the error has the end of its standard error."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.errors import ContinuumError

_TAIL_LINES = 12


def run(
    argv: Sequence[str],
    failure: str,
    error: type[ContinuumError],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a program without input, to its end.

    Args:
        argv: the command.
        failure: start of the error's message, as in ``cannot create the disk``.
        error: type of the error that is raised if it fails.
        timeout_s: time limit.
        env: its environment; by default that of this process.
        cwd: its working folder.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise error(f"{failure}: {Path(argv[0]).name} did not end within {timeout_s:g} s") from None
    if done.returncode:
        tail = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-_TAIL_LINES:])
        raise error(f"{failure} ({Path(argv[0]).name} ended with status {done.returncode}):\n{tail}")
