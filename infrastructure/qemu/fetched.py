"""Disk images by their address: fetched once for all runs, and never used before their hash was right."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from continuum.errors import HostError
from continuum.software.download import DownloadError, Timeouts, download

TIMEOUTS = Timeouts(stall_s=60.0, deadline_s=3600.0)
_BLOCK = 1 << 20


def fetch(url: str, sha256: str, folder: Path) -> Path:
    """The file at an address, from the folder where it is there; else it is fetched.

    What an attempt that broke off has left is gone on with. Runs that want the same file at the same time
    wait for the one that fetches it.

    Args:
        url: http or https.
        sha256: what it must hash to, in hexadecimal.
        folder: holds one folder for each hash.

    Raises:
        HostError: it cannot be had, or is another file.
    """
    own = folder / sha256.lower()
    target = own / (Path(urlsplit(url).path).name or "disk")
    own.mkdir(parents=True, exist_ok=True)
    part = own / f".{target.name}.part"
    with _alone(own / ".lock"):
        if target.is_file():
            return target
        was_begun = part.exists()
        _download(url, part)
        if hash_of(part) != sha256.lower() and was_begun:
            part.unlink()  # its beginning may have been another file's
            _download(url, part)
        if (found := hash_of(part)) != sha256.lower():
            part.unlink()
            raise HostError(
                f"qemu_image: {url} is not the file that qemu_image_sha256 says: its sha256 is {found}"
            )
        part.replace(target)
    return target


def hash_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(url: str, part: Path) -> None:
    try:
        download(url, part, TIMEOUTS, may_resume=True)
    except DownloadError as error:
        raise HostError(
            f"qemu_image: {url} cannot be fetched: {error}; fetch it by hand and give its path"
        ) from error
    except OSError as error:
        raise HostError(f"qemu_image: {part}: {error.strerror}") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
