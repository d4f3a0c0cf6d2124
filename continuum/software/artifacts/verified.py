"""Hashes of large files, computed once per version of the file: every playbook of a run asks again."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from continuum.host.files import sha256_of


def sha256_once(path: Path) -> str:
    """Hash of a file; cached as long as its size, modification time and inode stay the same."""
    status = path.stat()
    return _sha256(path, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=1024)
def _sha256(path: Path, _identity: tuple[int, ...]) -> str:
    return sha256_of(path)
