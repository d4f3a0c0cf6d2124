"""One file over HTTP: resumed where it broke off, ended when it stalls, never taken for whole too early."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from continuum import __version__

_CHUNK_BYTES = 1 << 20
_PARTIAL, _BAD_RANGE = 206, 416
_WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Patience:
    """How long a download may take.

    Attributes:
        stall_s: longest time without a byte, the first one included.
        deadline_s: longest time for the whole file.
        attempts: how often it is tried; each goes on where the last one broke off.
        pause_s: time before the second attempt; it doubles with each further one.
    """

    stall_s: float = 30.0
    deadline_s: float = 3600.0
    attempts: int = 4
    pause_s: float = 1.0


class DownloadError(Exception):
    """A file that could not be had.

    Attributes:
        is_passing: whether another attempt may help.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


def mirrored(url: str, mirror: str) -> str:
    """Where a file is on a mirror: the host it comes from is the first folder there."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


def download(url: str, to: Path, patience: Patience, *, may_resume: bool) -> None:
    """Fetch a file; what is in ``to`` already is gone on with, if the content can be verified afterwards.

    Raises:
        DownloadError: it cannot be had, in words.
        OSError: it cannot be written.
    """
    deadline = time.monotonic() + patience.deadline_s
    if not may_resume:
        to.unlink(missing_ok=True)
    for attempt in range(patience.attempts):
        try:
            _attempt(url, to, patience, deadline)
        except DownloadError as error:
            pause = patience.pause_s * 2**attempt
            is_last = attempt + 1 == patience.attempts or time.monotonic() + pause > deadline
            if is_last or not error.is_passing:
                raise
            if not may_resume:
                to.unlink(missing_ok=True)
            time.sleep(pause)
        else:
            return


def _attempt(url: str, to: Path, patience: Patience, deadline: float) -> None:
    offset = to.stat().st_size if to.is_file() else 0
    headers = {"User-Agent": f"continuum/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked below
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError("not an address of http or https")
    try:
        with contextlib.closing(urllib.request.urlopen(request, timeout=patience.stall_s)) as answer:  # noqa: S310
            _receive(answer, to, offset if answer.status == _PARTIAL else 0, deadline)
    except urllib.error.HTTPError as error:
        if error.code == _BAD_RANGE:  # what we have is no beginning of what is there
            to.unlink(missing_ok=True)
            raise DownloadError("the server refused to go on where it broke off", is_passing=True) from error
        again = error.code in _WORTH_ANOTHER_TRY
        raise DownloadError(f"{error.code} {error.reason}", is_passing=again) from error
    except TimeoutError as error:
        raise DownloadError(f"nothing came for {patience.stall_s:g} s", is_passing=True) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise DownloadError(f"no answer within {patience.stall_s:g} s", is_passing=True) from error
        raise DownloadError(_worded(error.reason), is_passing=True) from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise DownloadError(f"the connection broke: {_worded(error)}", is_passing=True) from error


def _receive(answer: http.client.HTTPResponse, to: Path, offset: int, deadline: float) -> None:
    """Write what comes, from an offset on; DownloadError if less comes than was promised."""
    promised = answer.headers.get("Content-Length")
    received = 0
    with to.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.truncate()
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if time.monotonic() > deadline:
                raise DownloadError(f"not done in time; {offset + received} bytes came until then")
    if promised and received != int(promised):
        whole = offset + int(promised)
        raise DownloadError(f"it ended after {offset + received} of {whole} bytes", is_passing=True)


def _worded(error: object) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
