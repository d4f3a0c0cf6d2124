"""A cache of layers that take long to build, keyed by their inputs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from continuum.host.files import read_json, write_json
from continuum.software.oci.layer import Layer


@dataclass(frozen=True)
class CachedLayer:
    """An entry of the cache.

    Attributes:
        folder: folder of the layers.
        facts: JSON object stored with the layer.
    """

    folder: Path
    facts: dict[str, Any]

    def layer(self) -> Layer | None:
        """The layer; None if its file is missing."""
        about = dict(self.facts["layer"])
        path = self.folder / str(about["digest"]).removeprefix("sha256:")
        is_there = path.is_file() and path.stat().st_size == about["size_bytes"]
        return Layer(**{**about, "path": path}) if is_there else None


def recall(folder: Path, key: str) -> CachedLayer | None:
    """The entry of a key; None if absent."""
    try:
        facts = read_json(path_of(folder, key), default=None)
        return CachedLayer(folder, facts) if facts and facts["key"] == key else None
    except (ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, key: str, layer: Layer, **facts: Any) -> None:
    """Store a layer under a key, with some facts."""
    write_json(path_of(folder, key), {"key": key, "layer": {**asdict(layer), "path": None}, **facts})


def path_of(folder: Path, key: str) -> Path:
    """The file of a key's entry."""
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
