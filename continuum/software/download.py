"""One file over HTTP: resumed where it broke off, ended when it stalls, never taken for whole too early."""

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
        challenge: what the server wants to be asked with, where it refused who asked.
    """

    def __init__(self, message: str, *, is_passing: bool = False, challenge: str = "") -> None:
        super().__init__(message)
        self.is_passing = is_passing
        self.challenge = challenge


def mirrored(url: str, mirror: str) -> str:
    """Where a file is on a mirror: the host it comes from is the first folder there."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


def download(
    url: str, to: Path, timeouts: Timeouts, *, may_resume: bool, headers: Headers | None = None
) -> None:
    """Fetch a file; what is in ``to`` already is gone on with, if the content can be verified afterwards.

    Args:
        url: where it is.
        to: the file to write.
        timeouts: how long it may take.
        may_resume: whether what an earlier attempt left may be gone on with.
        headers: to be sent to that host, and to no other that it sends us on to.

    Raises:
        DownloadError: it cannot be had, in words.
        OSError: it cannot be written.
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
        except _BadRangeError as error:  # what we have is no beginning of what is there
            to.unlink(missing_ok=True)
            raise DownloadError("the server would not go on where it broke off", is_passing=True) from error

    _repeat(once, timeouts, deadline)


def document(url: str, timeouts: Timeouts, headers: Headers | None = None) -> tuple[bytes, str]:
    """A small file, and the type its server says it has; DownloadError if it cannot be had."""
    found: list[tuple[bytes, str]] = []

    def once() -> None:
        with _opened(url, timeouts, headers or {}) as answer:
            data = answer.read(_MOST_DOCUMENT_BYTES)
            promised = answer.headers.get("Content-Length")
            if promised and len(data) != int(promised):
                raise DownloadError(f"it ended after {len(data)} of {promised} bytes", is_passing=True)
            found.append((data, str(answer.headers.get("Content-Type", ""))))

    _repeat(once, timeouts, time.monotonic() + timeouts.deadline_s)
    return found[-1]


class _BadRangeError(Exception):
    """The server has no such part of the file."""


def _repeat(once: Callable[[], None], timeouts: Timeouts, deadline: float) -> None:
    """Try until it is done, or trying again is no use."""
    for attempt in range(timeouts.attempts):
        pause = timeouts.pause_s * 2**attempt
        try:
            once()
        except DownloadError as error:
            is_last = attempt + 1 == timeouts.attempts or time.monotonic() + pause > deadline
            if is_last or not error.is_passing:
                raise
            time.sleep(pause)
        else:
            return


@contextmanager
def _opened(url: str, timeouts: Timeouts, headers: Headers) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request; whatever goes wrong with it is a DownloadError."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError("not an address of http or https")
    request = urllib.request.Request(url)  # noqa: S310 - checked above
    own = {"User-Agent": f"continuum/{__version__}", "Accept-Encoding": "identity"}
    for name, value in {**own, **headers}.items():
        # Storage that a registry sends us on to must not see what is meant for the registry.
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
        raise DownloadError(f"{error.code} {error.reason}", is_passing=again, challenge=challenge) from error
    except TimeoutError as error:
        raise DownloadError(f"nothing came for {timeouts.stall_s:g} s", is_passing=True) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise DownloadError(f"no answer within {timeouts.stall_s:g} s", is_passing=True) from error
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
