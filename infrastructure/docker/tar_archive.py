"""A file as a stream of a tar archive, for uploads over the Docker API."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CHUNK_BYTES = 1 << 20


def archive_of(src: Path, dst: PurePosixPath) -> Iterator[bytes]:
    """An archive that, unpacked at ``/``, creates ``dst`` from the file ``src`` atomically.

    A file grows while it is unpacked. So the archive has it under a temporary name, then as a hard link to
    that, which the kernel creates in one step.
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
                raise OSError(f"{src} was truncated while it was copied")
            left -= len(chunk)
            yield chunk
    yield bytes(-status.st_size % tarfile.BLOCKSIZE)
    link = tarfile.TarInfo(name)
    link.type, link.linkname, link.mode, link.mtime = tarfile.LNKTYPE, part, entry.mode, entry.mtime
    yield link.tobuf(tarfile.GNU_FORMAT)
    yield bytes(2 * tarfile.BLOCKSIZE)
