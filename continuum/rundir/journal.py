"""The journal of a run: the resources that it owns, recorded before they are created.

Each entry is a JSON line, appended with a single ``write`` and synced to the disk. If the orchestrator is
killed, an incomplete last line names a resource that was not created yet.

What is read back is input: it says where to look, and never suffices to remove something.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from continuum.host.files import naming, open_own, read_regular, sync_folder

NAME = "journal.jsonl"


class Journal:
    """The append-only list of (kind, id) pairs of one run."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def add(self, entries: Iterable[tuple[str, str]]) -> None:
        """Append entries; OSError if they cannot be written to the disk: then nothing may be created."""
        data = "".join(json.dumps([kind, ident]) + "\n" for kind, ident in entries).encode()
        is_new = not self._path.exists()
        descriptor = open_own(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            with naming(self._path):
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._path.parent)

    def entries(self) -> tuple[tuple[str, str], ...]:
        """All entries, oldest first, each once; none if the journal is missing or unreadable."""
        try:
            lines = read_regular(self._path).decode("utf-8", errors="replace").splitlines()
        except OSError:
            return ()
        return tuple(dict.fromkeys(entry for line in lines if (entry := _parse(line))))


def _parse(line: str) -> tuple[str, str] | None:
    """The entry of one line; None for a line that a crash cut short or that is damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(word, str) for word in entry):
        return None
    return entry[0], entry[1]
