"""Files that are written atomically, lock files, and hashes of files."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
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
        with naming(path):
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
    """The JSON value in a regular file; `default` if the file does not exist.

    Raises:
        OSError: it cannot be read, or is a symbolic link.
        ValueError: it is not JSON.
    """
    try:
        return json.loads(read_regular(path).decode("utf-8"))
    except FileNotFoundError:
        return default
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None


def read_regular(path: Path) -> bytes:
    """Content of a regular file; OSError for anything else, such as a symbolic link or a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(file.fileno(), path)
        return file.read()


def open_own(path: Path, flags: int) -> int:
    """Open or create a regular file to write to it; returns the descriptor.

    Raises:
        OSError: it cannot be opened, or is a symbolic link, or has a second name, under which it
            may be a file that is not to be changed.
    """
    with naming(path):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            _require_regular(descriptor, path)
            if os.fstat(descriptor).st_nlink > 1:
                raise OSError(errno.EMLINK, "the file has a second name (hard link)", str(path))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _require_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def sync_folder(folder: Path) -> None:
    """Write the names of new files in a folder to the disk; does nothing if the file system cannot."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS}:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path to an OSError that names none, as those of ``write`` do."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def explain(error: OSError, written: Path | None = None) -> str:
    """An OSError in one line: its path and reason, and for a full disk the free space and the remedy.

    Args:
        error: the error.
        written: path that is named for a full disk if the error names none.
    """
    reason, is_full = error.strerror or str(error), error.errno in {errno.ENOSPC, errno.EDQUOT}
    path = Path(os.fsdecode(error.filename)) if error.filename is not None else written if is_full else None
    if path is None:
        return reason
    if not is_full:
        return f"{path}: {reason}"
    folder = next((one for one in (path, *path.parents) if one.is_dir()), Path("/"))
    free_mb = shutil.disk_usage(folder).free / 1e6
    return f"{path}: {reason} ({free_mb:.1f} MB free there); free some, or set base_path to another disk"


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
