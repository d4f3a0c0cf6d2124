"""Removes everything that a run owns.

The journal says where to look; each provider proves by labels and marks what belongs to the run, and finds by
them what the journal does not name. Used by the pipeline, ``down`` and ``destroy``; harmless when repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from continuum.errors import ContinuumError, LeftBehindError, UsageError
from continuum.modules import registry
from continuum.modules.provider import Provider
from continuum.network.fabric import ending
from continuum.rundir.run import Run, original_of

GIVEN_UP = "given up"
"""Status of a run whose remaining resources were given up."""

NOTHING_LEFT = ("destroyed", "done", GIVEN_UP)
"""Status of runs that ``destroy --all`` skips."""


def destroy(run: Run, status: str = "destroyed") -> None:
    """Remove every resource of a run and record its status.

    Raises ContinuumError, after everything else was removed, for what could not be; UsageError, before
    anything is removed, if the folder is a copy of a run that still exists.
    """
    _refuse_copy(run)
    if errors := _remove(run, run.owned()):
        raise errors[0]
    with contextlib.suppress(OSError):  # a full disk keeps nobody from cleaning up
        run.update_state(status=status, nodes=[])


def give_up(run: Run) -> tuple[str, ...]:
    """Remove what can be removed and give up the rest; returns what may still exist, one line each.

    The journal stays, so that ``destroy`` can be tried again when what could not be reached is back.
    """
    _refuse_copy(run)
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


def _refuse_copy(run: Run) -> None:
    """UsageError if a run's folder is a copy: what carries the run's label belongs to the original."""
    if original := original_of(run):
        raise UsageError(
            f"{run.directory} is a copy of {original}, which still exists; "
            f"to remove what the run left behind: continuum destroy {original}"
        )


def _providers(run: Run, owned: Sequence[tuple[str, str]]) -> list[Provider]:
    """The providers that may own resources of a run: those in its journal and the one in its state.

    If a damaged folder names none that exists, every provider removes what has the label of the run.
    """
    names = {ident for kind, ident in owned if kind == "provider"} | {str(run.state().get("provider", ""))}
    found: list[Provider] = []
    for name in sorted(names - {""}):
        try:
            found.append(registry.provider(name))
        except ContinuumError:
            run.tell(f"{run.id}: provider {name!r} is not used, since there is none of that name")
    return found or [module for _, _, module in registry.all_modules() if isinstance(module, Provider)]


def destroy_stray(provider: Provider, run_id: str) -> None:
    """Remove resources with the label of a run whose folder no longer exists."""
    provider.destroy(Run(Path("/nonexistent") / run_id), ())
