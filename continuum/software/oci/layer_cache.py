"""Layers that take long to make are kept by what they were made from."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from continuum.host.files import read_json, write_json
from continuum.software.oci.layer import Layer


@dataclass(frozen=True)
class Kept:
    """A layer that was made before.

    Attributes:
        folder: where layers are.
        facts: what was noted with it; plain JSON.
    """

    folder: Path
    facts: dict[str, Any]

    def layer(self) -> Layer | None:
        """The layer, if it is still there."""
        about = dict(self.facts["layer"])
        path = self.folder / str(about["digest"]).removeprefix("sha256:")
        is_there = path.is_file() and path.stat().st_size == about["size_bytes"]
        return Layer(**{**about, "path": path}) if is_there else None


def recall(folder: Path, key: str) -> Kept | None:
    """What is kept under a key; None if there is nothing."""
    try:
        facts = read_json(path_of(folder, key), default=None)
        return Kept(folder, facts) if facts and facts["key"] == key else None
    except (ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, key: str, layer: Layer, **facts: Any) -> None:
    """Keep a layer under a key, with some facts."""
    write_json(path_of(folder, key), {"key": key, "layer": {**asdict(layer), "path": None}, **facts})


def path_of(folder: Path, key: str) -> Path:
    """Where the note of what is kept under a key is."""
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
