"""Extracts one file from the archive of an image, such as its main program."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from continuum.software.oci.archive import Archive, ArchiveError
from continuum.software.oci.layer import temporary


def extract(archive: Path, inside: str, folder: Path) -> Path:
    """Extract a program from an image as an executable file; extracted once and cached.

    Args:
        archive: archive of the image.
        inside: path of the program in the image.
        folder: folder of extracted programs, keyed by image and path.

    Raises:
        ArchiveError: the archive is not an image, or the image has no such file.
    """
    image, wanted = Archive(archive), inside.lstrip("/")
    content = "".join(layer.digest for layer in image.layers)
    cached = folder / hashlib.sha256(f"{content} {wanted}".encode()).hexdigest() / Path(wanted).name
    if cached.is_file():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    for layer in reversed(image.layers):
        with image.blob(layer) as blob, tarfile.open(fileobj=blob, mode="r|*") as entries:
            for entry in entries:
                if entry.isfile() and entry.name.removeprefix("./").lstrip("/") == wanted:
                    return _extract(entries, entry, cached)
    raise ArchiveError(f"{archive}: no file {wanted} in the image")


def program(archive: Path) -> str:
    """The program that containers of an image start; ArchiveError if the image names none."""
    start = Archive(archive).config.get("config") or {}
    words = [*(start.get("Entrypoint") or ()), *(start.get("Cmd") or ())]
    if not words:
        raise ArchiveError(f"{archive}: the image has no entry point and no command")
    return str(PurePosixPath("/", start.get("WorkingDir") or "", words[0]))


def _extract(entries: tarfile.TarFile, entry: tarfile.TarInfo, cached: Path) -> Path:
    source = entries.extractfile(entry)
    assert source is not None, "a regular file has content"
    with temporary(cached.parent) as part:
        with part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        part.chmod(0o755)
        part.replace(cached)
    return cached
