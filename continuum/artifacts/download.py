"""Artifacts from where their projects release them, into a cache by checksum: parallel, verified, atomic."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from continuum.artifacts.artifact import Artifact
from continuum.artifacts.http import DownloadError, Patience, download, mirrored
from continuum.errors import DeployError
from continuum.packages.store import sha256_of

PARALLEL = 4
_POLL_S = 0.2


@dataclass(frozen=True)
class Source:
    """Where artifacts come from and go to.

    Attributes:
        cache: folder in which each file is kept under its checksum.
        mirror: address under which the projects' hosts are folders; empty for these hosts themselves.
        patience: how long a download may take.
    """

    cache: Path
    mirror: str = ""
    patience: Patience = field(default_factory=Patience)


def fetch_all(
    needed: Sequence[Artifact], source: Source, tell: Callable[[str], None] = lambda _line: None
) -> Mapping[str, Path]:
    """The path in the cache of each artifact, by its name; several are fetched at the same time.

    Raises:
        DeployError: some cannot be had; every one of them is named.
    """
    found: dict[str, Path] = {}
    failures: dict[str, DeployError] = {}

    def work(artifact: Artifact) -> None:
        try:
            found[artifact.name] = fetch(artifact, source, tell)
        except DeployError as error:
            failures[artifact.name] = error

    _in_parallel(work, needed)
    if failures:
        raise DeployError("\n".join(str(failures[one.name]) for one in needed if one.name in failures))
    return {one.name: found[one.name] for one in needed}


def fetch(artifact: Artifact, source: Source, tell: Callable[[str], None] = lambda _line: None) -> Path:
    """The path in the cache of one artifact; DeployError names it if it cannot be had."""
    url = mirrored(artifact.url, source.mirror)
    key = artifact.sha256 or f"unpinned-{hashlib.sha256(artifact.url.encode()).hexdigest()}"
    folder = source.cache / key
    target, part = folder / artifact.file, folder / "part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            if target.is_file() and (not artifact.sha256 or sha256_of(target) == artifact.sha256):
                return target
            tell(f"downloading {artifact.file}")
            download(url, part, source.patience, may_resume=bool(artifact.sha256))
            _verify(artifact, part)
            part.replace(target)
    except DownloadError as error:
        raise DeployError(_refusal(artifact, url, str(error))) from error
    except OSError as error:
        remedy = "; make room there" if error.errno == errno.ENOSPC else ""
        raise DeployError(f"{artifact.file}: cannot be kept in {folder}: {error.strerror}{remedy}") from error
    return target


def _verify(artifact: Artifact, part: Path) -> None:
    found = sha256_of(part)
    if artifact.sha256 and found != artifact.sha256:
        part.unlink()
        raise DownloadError(f"its sha256 is {found}, but {artifact.sha256} was published; it was not kept")


def _refusal(artifact: Artifact, url: str, reason: str) -> str:
    return (
        f"{artifact.file}: cannot be downloaded from {url}: {reason}; see whether this machine reaches that"
        " address (proxies are taken from https_proxy), name a mirror as artifact_mirror, or put the file"
        " into a folder named as artifact_dir"
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time fetch a file; the others find it done."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_parallel(work: Callable[[Artifact], None], needed: Sequence[Artifact]) -> None:
    """Work through a list in threads that nobody waits for once this one is interrupted."""
    waiting: queue.SimpleQueue[Artifact] = queue.SimpleQueue()
    for artifact in needed:
        waiting.put(artifact)

    def take() -> None:
        while True:
            try:
                artifact = waiting.get_nowait()
            except queue.Empty:
                return
            work(artifact)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(min(PARALLEL, len(needed)))]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(_POLL_S)
    finally:
        while not waiting.empty():
            waiting.get_nowait()
