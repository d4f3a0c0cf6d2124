"""Reads archives of images: OCI layouts and the format of ``docker save``."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from continuum.software.oci.layer import Layer

FULL_NAME = "io.containerd.image.name"
"""Annotation of an index with an image's full reference, as containerd reads it."""

REF_NAME = "org.opencontainers.image.ref.name"


class ArchiveError(Exception):
    """An archive is not an image, or does not contain the requested content."""


class Archive:
    """An archive of one image.

    Args:
        path: the archive; may be compressed with gzip.

    Raises:
        ArchiveError: the file is not the archive of an image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with tarfile.open(path) as opened:
                self._read(opened)
        except FileNotFoundError as error:
            raise ArchiveError(f"{path}: no such file") from error
        except (OSError, EOFError, tarfile.TarError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ArchiveError(f"{path}: not an image archive") from error

    def _read(self, opened: tarfile.TarFile) -> None:
        names = set(opened.getnames())
        if "index.json" in names:
            self._read_layout(opened)
        elif "manifest.json" in names:
            self._read_docker(opened)
        else:
            raise ValueError("neither index.json nor manifest.json")

    def _read_layout(self, opened: tarfile.TarFile) -> None:
        index = _json(opened, "index.json")
        self.references = tuple(dict.fromkeys(_names(index)))
        described = index["manifests"][0]
        manifest = _json(opened, blob_name(described["digest"]))
        while "manifests" in manifest:  # an index of several platforms, one of which is in the archive
            there = set(opened.getnames())
            described = next(one for one in manifest["manifests"] if blob_name(one["digest"]) in there)
            manifest = _json(opened, blob_name(described["digest"]))
        self.config: dict[str, Any] = _json(opened, blob_name(manifest["config"]["digest"]))
        diff_ids = self.config["rootfs"]["diff_ids"]
        pairs = list(zip(manifest["layers"], diff_ids, strict=True))
        self.layers = tuple(
            Layer(None, one["digest"], int(one["size"]), one["mediaType"], diff_id) for one, diff_id in pairs
        )
        self._members = {one["digest"]: blob_name(one["digest"]) for one, _ in pairs}

    def _read_docker(self, opened: tarfile.TarFile) -> None:
        (described, *_) = _json(opened, "manifest.json")
        self.references = tuple(described.get("RepoTags") or ())
        self.config = _json(opened, described["Config"])
        diff_ids = self.config["rootfs"]["diff_ids"]
        pairs = list(zip(described["Layers"], diff_ids, strict=True))
        self.layers = tuple(
            Layer(None, diff_id, opened.getmember(name).size, diff_id=diff_id) for name, diff_id in pairs
        )
        self._members = {diff_id: name for name, diff_id in pairs}

    @contextmanager
    def blob(self, layer: Layer) -> Iterator[IO[bytes]]:
        """Open the content of one of its layers."""
        with tarfile.open(self.path) as opened:
            file = opened.extractfile(self._members[layer.digest])
            assert file is not None
            yield file


def references(path: Path) -> tuple[str, ...]:
    """The references of the image in an archive; ArchiveError if it is not an image."""
    return Archive(path).references


def _names(index: dict[str, Any]) -> Iterator[str]:
    for one in index["manifests"]:
        notes = one.get("annotations") or {}
        if name := notes.get(FULL_NAME) or notes.get(REF_NAME):
            yield name


def blob_name(digest: str) -> str:
    """The name of a blob in an archive."""
    return f"blobs/{digest.replace(':', '/')}"


def _json(opened: tarfile.TarFile, name: str) -> Any:
    file = opened.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return json.load(file)
