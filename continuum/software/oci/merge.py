"""Merges several images into one archive, which contains shared layers once."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from continuum.software.oci.archive import ArchiveError
from continuum.software.oci.image import INDEX_TYPE, json_bytes
from continuum.software.oci.layer import temporary

_INDEXES = ("oci-layout", "index.json", "manifest.json")


def merge(to: Path, archives: Sequence[Path]) -> Path:
    """Write an archive that contains the images of several archives.

    Args:
        to: the archive to write, atomically and reproducibly.
        archives: uncompressed OCI layouts, written by ``image.write`` or ``docker save``.

    Raises:
        ArchiveError: one of them is not an OCI layout; Docker writes these since version 25.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    manifests: list[Any] = []
    for_docker: list[Any] = []
    with ExitStack() as stack, temporary(to.parent) as part:
        sources = [(path, stack.enter_context(_open(path))) for path in archives]
        for path, source in sources:
            manifests += _read(path, source, "index.json")["manifests"]
            for_docker += _read(path, source, "manifest.json")
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as target:
            _add(target, "oci-layout", json_bytes({"imageLayoutVersion": "1.0.0"}))
            index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
            _add(target, "index.json", json_bytes(index))
            _add(target, "manifest.json", json_bytes(for_docker))
            _copy_blobs(target, [source for _, source in sources])
        part.chmod(0o644)
        part.replace(to)
    return to


def _copy_blobs(target: tarfile.TarFile, sources: Sequence[tarfile.TarFile]) -> None:
    there: set[str] = set(_INDEXES)
    for source in sources:
        for member in source:
            if member.isfile() and member.name not in there:
                there.add(member.name)
                target.addfile(member, source.extractfile(member))


def _open(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except (OSError, tarfile.TarError) as error:
        raise ArchiveError(f"{path}: not an image archive ({error})") from error


def _read(path: Path, source: tarfile.TarFile, name: str) -> Any:
    try:
        file = source.extractfile(name)
        assert file is not None
        return json.load(file)
    except (KeyError, ValueError) as error:
        raise ArchiveError(f"{path}: not an OCI layout ({error})") from error


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))
