"""Downloads disk images: each once for all runs, and used only after its checksum is verified."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from continuum.errors import HostError
from continuum.host.files import locked, sha256_of
from continuum.software.download import DownloadError, Timeouts, download

TIMEOUTS = Timeouts(stall_s=60.0, deadline_s=3600.0)


def fetch(url: str, sha256: str, folder: Path) -> Path:
    """The path of a downloaded image; downloads it unless the folder holds it already.

    An interrupted download is resumed. Processes that need the same image at the same time wait for the one
    that downloads it.

    Args:
        url: http or https.
        sha256: expected checksum, in hexadecimal.
        folder: cache with one subfolder per checksum.

    Raises:
        HostError: the download fails, or the checksum differs.
    """
    own = folder / sha256.lower()
    target = own / (Path(urlsplit(url).path).name or "disk")
    own.mkdir(parents=True, exist_ok=True)
    part = own / f".{target.name}.part"
    with locked(own / ".lock"):
        if target.is_file():
            return target
        is_resumed = part.exists()
        _download(url, part)
        if sha256_of(part) != sha256.lower() and is_resumed:
            part.unlink()  # the first part may be of an older file at the same address
            _download(url, part)
        if (found := sha256_of(part)) != sha256.lower():
            part.unlink()
            raise HostError(
                f"qemu_image: {url} has the SHA-256 checksum {found}, but qemu_image_sha256 is {sha256};"
                " correct qemu_image_sha256, or use the address of the intended image"
            )
        part.replace(target)
    return target


def _download(url: str, part: Path) -> None:
    try:
        download(url, part, TIMEOUTS, may_resume=True)
    except DownloadError as error:
        raise HostError(
            f"qemu_image: cannot download {url}: {error}; download it yourself and set qemu_image to its path"
        ) from error
    except OSError as error:
        raise HostError(f"qemu_image: cannot write {part}: {error.strerror}") from error
