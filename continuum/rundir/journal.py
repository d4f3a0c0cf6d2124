"""The journal of a run: the resources that it owns, recorded before they are created.

Each entry is a JSON line, appended with a single ``write``. If the orchestrator is killed, an incomplete last
line names a resource that was not created yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

NAME = "journal.jsonl"


class Journal:
    """The append-only list of (kind, id) pairs of one run."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def add(self, entries: Iterable[tuple[str, str]]) -> None:
        """Append entries; OSError if they cannot be written, in which case nothing may be created."""
        data = "".join(json.dumps([kind, ident]) + "\n" for kind, ident in entries).encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def entries(self) -> tuple[tuple[str, str], ...]:
        """All entries, oldest first, each once."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        return tuple(dict.fromkeys(entry for line in lines if (entry := _parse(line))))


def _parse(line: str) -> tuple[str, str] | None:
    """The entry of one line; None for a line that a crash cut short or that is damaged."""
    try:
        kind, ident = json.loads(line)
    except (ValueError, TypeError):
        return None
    return str(kind), str(ident)
