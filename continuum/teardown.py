"""The end of a run: everything it owns is removed, from its journal alone.

Used by the pipeline, ``down`` and ``destroy`` alike; harmless when repeated.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from continuum import registry
from continuum.errors import ContinuumError
from continuum.module import Provider
from continuum.network.fabric import ending
from continuum.rundir import Run

NOTHING_LEFT = ("destroyed", "done")
"""States of a run that owns nothing any more."""


def destroy(run: Run, status: str = "destroyed") -> None:
    """Remove every resource of a run and write down that it is gone.

    Raises ContinuumError, after everything else was removed, for what could not be.
    """
    owned = run.owned()
    _remove(run, owned)
    with contextlib.suppress(OSError):  # a full disk keeps nobody from cleaning up
        run.update_state(status=status, nodes=[])


def _remove(run: Run, owned: Sequence[tuple[str, str]]) -> None:
    """Nodes and network at the same time: they do not wait for each other."""
    providers = [registry.provider(name) for kind, name in owned if kind == "provider"]
    with ThreadPoolExecutor(len(providers) + 1) as pool:
        ends = [pool.submit(provider.destroy, run, owned) for provider in providers]
        ends.append(pool.submit(ending.end, run.directory, run.id))
    errors = [error for end in ends if (error := end.exception())]
    for error in errors:
        if not isinstance(error, ContinuumError):
            raise error
    if errors:
        raise errors[0]


def in_use(directory: Path) -> bool:
    """Whether a process is at work on the run kept in this folder."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def destroy_stray(provider: Provider, run_id: str) -> None:
    """Remove what carries the label of a run whose folder is gone."""
    provider.destroy(Run(Path("/nonexistent") / run_id), ())
