"""Files that are written atomically, lock files, and hashes of files."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`, which takes the place of `path` when the block ends.

    The block writes the temporary file. Readers of `path` see the old content or the new one, never a part;
    concurrent writers do not disturb each other. When the block raises, the temporary file is removed and
    `path` stays as it was.
    """
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes | str, mode: int = 0o666) -> None:
    """Write a whole file so that a reader sees the old content or the new one, never a part.

    Args:
        path: the file; its folder exists.
        data: the content; text is encoded as UTF-8.
        mode: permissions of the file, which the umask restricts.
    """
    with replacing(path) as temporary:
        temporary.touch(mode, exist_ok=False)
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, value: object) -> None:
    """Write plain JSON with `write_atomically`."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, default: Any) -> Any:
    """The JSON value in a file; `default` if the file does not exist."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a lock file, which is created if needed; waits until it is free."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sha256_of(path: Path) -> str:
    """The SHA-256 digest of a file's content, in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
