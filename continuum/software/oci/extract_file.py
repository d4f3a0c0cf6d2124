"""Takes one file out of the archive of an image, such as the program that it is made for."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from continuum.software.oci.archive import Archive, ArchiveError
from continuum.software.oci.layer import temporary


def extract(archive: Path, inside: str, folder: Path) -> Path:
    """A program in an image, as a file that can be executed; taken out once.

    Args:
        archive: of the image.
        inside: its path there, as the layer that has it names it.
        folder: where it is kept, under a name that says which image it is from.

    Raises:
        ArchiveError: that is no image, or there is no such file in it.
    """
    image, wanted = Archive(archive), inside.lstrip("/")
    content = "".join(layer.digest for layer in image.layers)
    kept = folder / hashlib.sha256(f"{content} {wanted}".encode()).hexdigest() / Path(wanted).name
    if kept.is_file():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    for layer in reversed(image.layers):
        with image.blob(layer) as blob, tarfile.open(fileobj=blob, mode="r|*") as entries:
            for entry in entries:
                if entry.isfile() and entry.name.removeprefix("./").lstrip("/") == wanted:
                    return _keep(entries, entry, kept)
    raise ArchiveError(f"{archive}: the image has no file {wanted}")


def program(archive: Path) -> str:
    """The program that containers of an image start; ArchiveError if it does not say."""
    start = Archive(archive).config.get("config") or {}
    words = [*(start.get("Entrypoint") or ()), *(start.get("Cmd") or ())]
    if not words:
        raise ArchiveError(f"{archive}: the image does not say what program it starts")
    return str(PurePosixPath("/", start.get("WorkingDir") or "", words[0]))


def _keep(entries: tarfile.TarFile, entry: tarfile.TarInfo, kept: Path) -> Path:
    source = entries.extractfile(entry)
    assert source is not None, "a file has content"
    with temporary(kept.parent) as part:
        with part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        part.chmod(0o755)
        part.replace(kept)
    return kept
