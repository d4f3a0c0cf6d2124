"""Layers of images: archives of files, stored under the hash of their content."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"
_FORM = tarfile.PAX_FORMAT

Content = Path | str | bytes | None
"""Content of a layer at a path: a file or folder of this host, or text; None for an empty folder."""


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        path: the file; None for a layer inside the archive of an image.
        digest: hash of its content, as in ``sha256:...``.
        size_bytes: size of its content.
        media_type: its media type in the OCI image specification.
        diff_id: hash of its uncompressed content; empty if it is not compressed.
    """

    path: Path | None
    digest: str
    size_bytes: int
    media_type: str = MEDIA_TYPE
    diff_id: str = ""

    def uncompressed_id(self) -> str:
        """The hash of its uncompressed content."""
        return self.diff_id or self.digest


def from_files(files: Mapping[str, Content], folder: Path) -> Layer:
    """Build a layer from files.

    All files belong to root and have no modification time, so that the same files give the same layer.
    Executable files stay executable, text is if it begins with ``#!``, and symbolic links stay links.

    Args:
        files: content by absolute path in the image.
        folder: folder of layers, each stored under its hash; created when needed.
    """

    def fill(file: IO[bytes]) -> None:
        with tarfile.open(fileobj=file, mode="w", format=_FORM) as archive:
            _fill(archive, files)

    return _store(fill, folder)


def from_tar(
    archive: Path,
    folder: Path,
    *,
    without: Collection[str] = (),
    extra: Mapping[str, Content] | None = None,
) -> Layer:
    """Build a layer from a tar archive, such as a root file system, without modification times.

    Args:
        archive: the archive.
        folder: folder of layers, each stored under its hash; created when needed.
        without: paths to leave out with everything below, without a leading slash.
        extra: files to add, as in ``from_files``.
    """

    def fill(file: IO[bytes]) -> None:
        with tarfile.open(archive) as source, tarfile.open(fileobj=file, mode="w", format=_FORM) as target:
            for member in source:
                member.name = member.name.removeprefix("./").strip("/")
                if not any(
                    member.name == out or member.name.startswith(f"{out}/") for out in (".", *without)
                ):
                    member.linkname = (
                        member.linkname.removeprefix("./") if member.islnk() else member.linkname
                    )
                    member.mtime, member.uname, member.gname, member.pax_headers = 0, "", "", {}
                    target.addfile(member, source.extractfile(member) if member.isreg() else None)
            _fill(target, extra or {}, made=source.getnames())

    return _store(fill, folder)


class _Hashing(io.RawIOBase):
    """A file whose content is hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self._file.write(data)


def _store(fill: Callable[[IO[bytes]], None], folder: Path) -> Layer:
    """Write a layer and store it under its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    with temporary(folder) as part:
        with part.open("wb") as file:
            hashing = _Hashing(file)
            fill(hashing)  # type: ignore[arg-type]
        found, size = hashing.digest.hexdigest(), part.stat().st_size
        part.chmod(0o644)
        part.replace(folder / found)
    return Layer(folder / found, f"sha256:{found}", size)


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A temporary file, removed at the end unless it was moved."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".part-")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fill(archive: tarfile.TarFile, files: Mapping[str, Content], made: Collection[str] = ()) -> None:
    """Add files and their missing parent folders."""
    entries = {
        name.strip("/"): content
        for where, what in files.items()
        for name, content in _expanded(PurePosixPath("/", where), what)
    }
    parents = {str(parent) for name in entries for parent in PurePosixPath(name).parents}
    for name in sorted((parents - {".", *made}) | entries.keys()):
        _add(archive, name, entries.get(name))


def _expanded(where: PurePosixPath, what: Content) -> Iterator[tuple[str, Content]]:
    """The entries of a folder, recursively; None stands for a folder."""
    if not isinstance(what, Path) or not what.is_dir() or what.is_symlink():
        yield str(where), what
        return
    yield str(where), None
    for path in what.rglob("*"):
        is_folder = path.is_dir() and not path.is_symlink()
        yield str(where / path.relative_to(what)), None if is_folder else path


def _add(archive: tarfile.TarFile, name: str, content: Content) -> None:
    entry = tarfile.TarInfo(name)
    if content is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
    elif isinstance(content, Path):
        _add_path(archive, entry, content)
    else:
        data = content.encode() if isinstance(content, str) else content
        entry.size, entry.mode = len(data), 0o755 if data.startswith(b"#!") else 0o644
        archive.addfile(entry, io.BytesIO(data))


def _add_path(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        archive.addfile(entry)
        return
    status = path.stat()
    entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o111 else 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)
