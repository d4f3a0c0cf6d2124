"""The projects this user has had instances in, kept beside the index of runs, to find survivors in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from continuum.rundir import index
from infrastructure.gcp.settings import Place


def _file() -> Path:
    return index.folder().parent / "gcp-places"


def remember(place: Place) -> None:
    """Keep a place, once."""
    if place in remembered():
        return
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(place.to_json() + "\n")


def remembered() -> Iterator[Place]:
    """The places kept."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield Place.from_json(line)
        except (TypeError, ValueError):
            continue  # cut short by a crash, or from another version


def owner() -> str:
    """Tells this user on this host from others who use the same project."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = os.uname().nodename
    state = str(index.folder())
    return hashlib.sha256(f"{machine}/{os.getuid()}/{state}".encode()).hexdigest()[:16]
