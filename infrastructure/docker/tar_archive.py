"""A file as the tar archive that the Docker API takes, made piece by piece."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CHUNK_BYTES = 1 << 20


def archive_of(src: Path, dst: PurePosixPath) -> Iterator[bytes]:
    """The archive that, unpacked at ``/``, makes ``dst`` out of the file ``src``, whole or not at all.

    A file in an archive grows while it is unpacked. So it comes under another name first, and then as a
    hard link to that, which the kernel makes in one step.
    """
    name = str(dst).lstrip("/")
    part = str(PurePosixPath(name).with_name(f".{dst.name}.part"))
    with src.open("rb") as file:
        status = os.fstat(file.fileno())
        entry = tarfile.TarInfo(part)
        entry.size, entry.mtime = status.st_size, int(status.st_mtime)
        entry.mode = stat.S_IMODE(status.st_mode) & 0o777
        yield entry.tobuf(tarfile.GNU_FORMAT)
        left = status.st_size
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{src} became shorter while it was copied")
            left -= len(chunk)
            yield chunk
    yield bytes(-status.st_size % tarfile.BLOCKSIZE)
    link = tarfile.TarInfo(name)
    link.type, link.linkname, link.mode, link.mtime = tarfile.LNKTYPE, part, entry.mode, entry.mtime
    yield link.tobuf(tarfile.GNU_FORMAT)
    yield bytes(2 * tarfile.BLOCKSIZE)
