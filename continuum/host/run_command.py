"""Runs a program of this host to its end; if it fails, its last words are in the error."""

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
    """Run a program; it gets no input.

    Args:
        argv: the command.
        failure: what has not come about when it fails, as in ``the disk cannot be made``.
        error: what is raised then.
        timeout_s: how long it may take.
        env: its whole environment; this process's by default.
        cwd: the folder it runs in.
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
