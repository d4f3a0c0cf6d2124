"""Where this user's runs are: one small file a run under the user's state directory.

Runs live wherever their user wants them; this index is how ``list`` and ``destroy --all`` find them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path


def folder() -> Path:
    """The index folder: ``$XDG_STATE_HOME/continuum/runs``, by default below ``~/.local/state``."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "continuum" / "runs"


def claim(run_id: str, directory: Path) -> bool:
    """Enter a run; False when this user has another run of that id already."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder() / run_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{directory}\n")
    return True


def claim_on_host(run_id: str) -> socket.socket | None:
    """Take an id for all users and state folders of this host; None when another run has it.

    Ids begin with the second in which they were made, so two runs can only meet within one: the claim is a
    name in the kernel, free again as soon as what is returned is closed, at the latest when its process ends.
    Nothing has to be tidied up.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0continuum-run-{run_id}")
    except OSError:
        claim.close()
        return None
    return claim


def forget(run_id: str) -> None:
    """Take a run off the index; harmless when it is not there."""
    (folder() / run_id).unlink(missing_ok=True)


def entries() -> Iterator[tuple[str, Path]]:
    """Every (run id, run directory), oldest first; the directory may be gone."""
    try:
        names = sorted(path.name for path in folder().iterdir())
    except FileNotFoundError:
        return
    for name in names:
        try:
            text = (folder() / name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text:
            yield name, Path(text)
