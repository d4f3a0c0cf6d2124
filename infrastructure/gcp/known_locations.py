"""The projects this user has created instances in: where to look for resources that a crash left behind.

They are kept in the user's state folder, beside the index of runs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from continuum.rundir import index
from infrastructure.gcp.settings import CloudLocation


def _file() -> Path:
    return index.folder().parent / "gcp-places"


def remember(location: CloudLocation) -> None:
    """Add a location, once."""
    if location in remembered():
        return
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(location.to_json() + "\n")


def remembered() -> Iterator[CloudLocation]:
    """The locations in the file."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield CloudLocation.from_json(line)
        except (TypeError, ValueError):
            continue  # cut short by a crash, or written by another version


def owner() -> str:
    """Identifies this user on this host among all who use the same project."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = os.uname().nodename
    state = str(index.folder())
    return hashlib.sha256(f"{machine}/{os.getuid()}/{state}".encode()).hexdigest()[:16]
