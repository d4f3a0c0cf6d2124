"""Removes everything that a run owns, from its journal alone.

Used by the pipeline, ``down`` and ``destroy`` alike; harmless when repeated.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from continuum.errors import ContinuumError, LeftBehindError
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.network.fabric import ending
from continuum.rundir.run import DAMAGED, Run

GIVEN_UP = "given up"
"""Status of a run whose remaining resources were given up."""

NOTHING_LEFT = ("destroyed", "done", GIVEN_UP)
"""Status of runs that ``destroy --all`` skips."""


def destroy(run: Run, status: str = "destroyed") -> None:
    """Remove every resource of a run and record its status.

    Raises ContinuumError, after everything else was removed, for what could not be.
    """
    if errors := _remove(run, run.owned()):
        raise errors[0]
    with contextlib.suppress(OSError):  # a full disk keeps nobody from cleaning up
        run.update_state(status=status, nodes=[])


def give_up(run: Run) -> tuple[str, ...]:
    """Remove what can be removed and give up the rest; returns what may still exist, one line each.

    The journal stays, so that ``destroy`` can be tried again when what could not be reached is back.
    """
    owned = run.owned()
    left = [line for error in _remove(run, owned) for line in _left_by(error, owned)]
    with contextlib.suppress(OSError):
        run.update_state(status=GIVEN_UP if left else "destroyed", nodes=[], left_behind=left)
    return tuple(left)


def _left_by(error: ContinuumError, owned: Sequence[tuple[str, str]]) -> list[str]:
    """Resources that an error says still exist; every resource of the run if it names none."""
    if isinstance(error, LeftBehindError):
        return list(error.left)
    reason = str(error).splitlines()[0]
    return [f"{kind} {ident}: may still exist ({reason})" for kind, ident in owned if kind != "provider"]


def _remove(run: Run, owned: Sequence[tuple[str, str]]) -> list[ContinuumError]:
    """Remove nodes and network in parallel; returns the errors."""
    providers = _providers(run, owned)
    with ThreadPoolExecutor(len(providers) + 1) as pool:
        ends = [pool.submit(provider.destroy, run, owned) for provider in providers]
        ends.append(pool.submit(ending.end, run.directory, run.id))
    errors = []
    for error in (error for end in ends if (error := end.exception())):
        if not isinstance(error, ContinuumError):
            raise error
        errors.append(error)
    return errors


def _providers(run: Run, owned: Sequence[tuple[str, str]]) -> list[Provider]:
    """The providers that may own resources of a run: those in its journal, else the one in its state.

    If a damaged folder names none, every provider is asked to remove what carries the label of the run.
    """
    names = [ident for kind, ident in owned if kind == "provider"]
    state = run.state()
    if not names and state.get("provider"):
        names = [str(state["provider"])]
    if not names and state.get("status") == DAMAGED:
        return [module for _, _, module in registry.all_modules() if isinstance(module, Provider)]
    return [registry.provider(name) for name in dict.fromkeys(names)]


def in_use(directory: Path) -> bool:
    """Whether a process holds the lock of the run in this folder."""
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
    """Remove resources with the label of a run whose folder no longer exists."""
    provider.destroy(Run(Path("/nonexistent") / run_id), ())
