"""Unpacks archives from nodes, which are not trusted: nothing is written outside the target folder."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO


def unpack(archive: IO[bytes], folder: Path) -> None:
    """Unpack the folders, files and symbolic links of a tar archive; other entries are ignored.

    Raises:
        OSError: a name leads outside the folder, or the archive is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in tar:
                _unpack_one(tar, member, folder)
    except tarfile.TarError as error:
        raise OSError(f"the archive from the node is damaged: {error}") from error


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    parts = PurePosixPath(member.name).parts
    if ".." in parts or PurePosixPath(member.name).is_absolute():
        raise OSError(f"the node sent a file named {member.name!r}, which leads outside the folder")
    place = folder
    for part in parts[:-1]:
        place /= part
        if place.is_symlink() or not place.is_dir():
            raise OSError(f"the node sent a file named {member.name!r}, below a file or a symbolic link")
    target = folder.joinpath(*parts)
    if target == folder:
        return
    if member.isdir():
        if target.is_symlink() or target.is_file():
            target.unlink()
        target.mkdir(exist_ok=True)
        return
    if target.is_symlink() or target.exists():
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.isreg() and (source := tar.extractfile(member)):
        with target.open("xb") as file:
            shutil.copyfileobj(source, file)
        target.chmod(member.mode & 0o777 | 0o600)
