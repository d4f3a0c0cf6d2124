"""Downloads one file over HTTP: resumes an interrupted transfer, times out on a stall, checks the length."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from continuum.version import __version__

_CHUNK_BYTES = 1 << 20
_PARTIAL, _UNAUTHORIZED, _BAD_RANGE = 206, 401, 416
_WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)
_MOST_DOCUMENT_BYTES = 8 << 20

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Timeouts:
    """Limits on the duration of a download.

    Attributes:
        stall_s: longest time without receiving a byte, the first byte included.
        deadline_s: longest time for all of the file.
        attempts: number of attempts; each resumes where the previous one stopped.
        pause_s: delay before the second attempt; it doubles with each further one.
    """

    stall_s: float = 30.0
    deadline_s: float = 3600.0
    attempts: int = 4
    pause_s: float = 1.0


class DownloadError(Exception):
    """A file could not be downloaded.

    Attributes:
        is_transient: whether another attempt may succeed.
        challenge: the server's ``WWW-Authenticate`` header; empty unless it asks for authentication.
    """

    def __init__(self, message: str, *, is_transient: bool = False, challenge: str = "") -> None:
        super().__init__(message)
        self.is_transient = is_transient
        self.challenge = challenge


def mirrored(url: str, mirror: str) -> str:
    """The address of a file on a mirror, where the file's host is the first folder of the path."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


def download(
    url: str, to: Path, timeouts: Timeouts, *, may_resume: bool, headers: Headers | None = None
) -> None:
    """Download a file.

    Args:
        url: address of the file.
        to: the file to write.
        timeouts: how long it may take.
        may_resume: whether to append to what ``to`` already contains; only for content verified afterwards.
        headers: request headers; ``Authorization`` is not sent to a host that the server redirects to.

    Raises:
        DownloadError: the file is unavailable; the message gives the reason.
        OSError: ``to`` cannot be written.
    """
    deadline = time.monotonic() + timeouts.deadline_s
    if not may_resume:
        to.unlink(missing_ok=True)

    def once() -> None:
        offset = to.stat().st_size if may_resume and to.is_file() else 0
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with _opened(url, timeouts, {**(headers or {}), **ranged}) as answer:
                _receive(answer, to, offset if answer.status == _PARTIAL else 0, deadline)
        except _BadRangeError as error:  # the local part is longer than the file
            to.unlink(missing_ok=True)
            raise DownloadError("the server cannot resume the download", is_transient=True) from error

    _repeat(once, timeouts, deadline)


def document(url: str, timeouts: Timeouts, headers: Headers | None = None) -> tuple[bytes, str]:
    """The content of a small file and its media type; DownloadError if it is unavailable."""
    found: list[tuple[bytes, str]] = []

    def once() -> None:
        with _opened(url, timeouts, headers or {}) as answer:
            data = answer.read(_MOST_DOCUMENT_BYTES)
            promised = answer.headers.get("Content-Length")
            if promised and len(data) != int(promised):
                raise DownloadError(f"it ended after {len(data)} of {promised} bytes", is_transient=True)
            found.append((data, str(answer.headers.get("Content-Type", ""))))

    _repeat(once, timeouts, time.monotonic() + timeouts.deadline_s)
    return found[-1]


class _BadRangeError(Exception):
    """The server rejects the requested range of bytes (HTTP 416)."""


def _repeat(once: Callable[[], None], timeouts: Timeouts, deadline: float) -> None:
    """Call ``once`` until it succeeds, its error is permanent, or attempts or time run out."""
    for attempt in range(timeouts.attempts):
        pause = timeouts.pause_s * 2**attempt
        try:
            once()
        except DownloadError as error:
            is_last = attempt + 1 == timeouts.attempts or time.monotonic() + pause > deadline
            if is_last or not error.is_transient:
                raise
            time.sleep(pause)
        else:
            return


@contextmanager
def _opened(url: str, timeouts: Timeouts, headers: Headers) -> Iterator[http.client.HTTPResponse]:
    """The response to a request; converts its errors to DownloadError."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError("not an http or https address")
    request = urllib.request.Request(url)  # noqa: S310 - checked above
    own = {"User-Agent": f"continuum/{__version__}", "Accept-Encoding": "identity"}
    for name, value in {**own, **headers}.items():
        # A storage host that a registry redirects to must not receive the registry's token.
        add = request.add_unredirected_header if name == "Authorization" else request.add_header
        add(name, value)
    try:
        with closing(urllib.request.urlopen(request, timeout=timeouts.stall_s)) as answer:  # noqa: S310
            yield answer
    except urllib.error.HTTPError as error:
        if error.code == _BAD_RANGE:
            raise _BadRangeError from error
        challenge = error.headers.get("WWW-Authenticate", "") if error.code == _UNAUTHORIZED else ""
        again = error.code in _WORTH_ANOTHER_TRY
        raise DownloadError(
            f"{error.code} {error.reason}", is_transient=again, challenge=challenge
        ) from error
    except TimeoutError as error:
        raise DownloadError(f"no data for {timeouts.stall_s:g} s", is_transient=True) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise DownloadError(f"no answer within {timeouts.stall_s:g} s", is_transient=True) from error
        raise DownloadError(_reason(error.reason), is_transient=True) from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise DownloadError(f"the connection broke: {_reason(error)}", is_transient=True) from error


def _receive(answer: http.client.HTTPResponse, to: Path, offset: int, deadline: float) -> None:
    """Write the response body from an offset on; DownloadError if it is shorter than announced."""
    promised = answer.headers.get("Content-Length")
    received = 0
    with to.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.truncate()
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if time.monotonic() > deadline:
                raise DownloadError(f"deadline exceeded after {offset + received} bytes")
    if promised and received != int(promised):
        total = offset + int(promised)
        raise DownloadError(f"it ended after {offset + received} of {total} bytes", is_transient=True)


def _reason(error: object) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
