"""The index of this user's runs: a small file for each run in the user's state directory.

Runs can be anywhere; ``list`` and ``destroy --all`` find them with this index.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from continuum.host.files import read_regular, sync_folder

STATE_VARIABLE = "XDG_STATE_HOME"


def folder() -> Path:
    """The index folder: ``$XDG_STATE_HOME/continuum/runs``, by default below ``~/.local/state``."""
    state = chosen_state() or Path("~/.local/state").expanduser()
    return Path(state) / "continuum" / "runs"


def chosen_state() -> str:
    """The state folder that this user has chosen with ``$XDG_STATE_HOME``; empty for the default.

    A chosen state folder keeps runs apart: ``destroy --all`` finds only those with the same choice. It finds
    runs with the default folder whatever the home.
    """
    return os.environ.get(STATE_VARIABLE, "")


def state_variable() -> dict[str, str]:
    """The environment variable that marks a process with ``chosen_state``."""
    return {STATE_VARIABLE: state} if (state := chosen_state()) else {}


def claim(run_id: str, directory: Path) -> bool:
    """Add a run to the index; returns False if this user already has a run of that id."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder() / run_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{directory}\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder())
    return True


def claim_on_host(run_id: str) -> socket.socket | None:
    """Reserve an id for all users and state folders of this host; None if another run has it.

    Ids begin with the second of their creation, so that only runs created within one second can collide. The
    reservation is a name in the kernel: it ends when the returned socket is closed, at the latest with the
    process, so that no clean-up is necessary.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0continuum-run-{run_id}")
    except OSError:
        claim.close()
        return None
    return claim


def is_claimed(run_id: str) -> bool:
    """Whether a run that is being made, in use or kept up has reserved its id with ``claim_on_host``."""
    claim = claim_on_host(run_id)
    if claim is None:
        return True
    claim.close()
    return False


def forget(run_id: str) -> None:
    """Remove a run from the index; does nothing if absent."""
    (folder() / run_id).unlink(missing_ok=True)


def entries() -> Iterator[tuple[str, Path]]:
    """Every (run id, run directory), oldest first; directories may no longer exist."""
    try:
        names = sorted(path.name for path in folder().iterdir())
    except FileNotFoundError:
        return
    for name in names:
        if directory := directory_of(name):
            yield name, directory


def directory_of(run_id: str) -> Path | None:
    """The folder of a run, which may no longer exist; None if this user has no such run."""
    try:
        text = read_regular(folder() / run_id).decode("utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
    return Path(text) if text and "\0" not in text else None
