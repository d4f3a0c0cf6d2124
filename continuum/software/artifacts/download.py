"""Artifacts from where their projects release them, into a cache by checksum: parallel, verified, atomic."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from continuum.errors import DeployError
from continuum.host.files import sha256_of
from continuum.software.artifacts.artifact import Artifact
from continuum.software.artifacts.verified import sha256_once
from continuum.software.download import DownloadError, Timeouts, download, mirrored
from continuum.software.oci.registry import Puller

PARALLEL = 4
REMEDY = (
    "see whether this machine reaches these addresses (proxies are taken from https_proxy), name a mirror as"
    " artifact_mirror, or put the files into a folder named as artifact_dir"
)
_POLL_S = 0.2


@dataclass(frozen=True)
class Source:
    """Where artifacts come from and go to.

    Attributes:
        cache: folder in which each file is kept under its checksum.
        mirror: address under which the projects' hosts are folders; empty for these hosts themselves.
        timeouts: how long a download may take.
    """

    cache: Path
    mirror: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)


def fetch_all(
    needed: Sequence[Artifact], source: Source, tell: Callable[[str], None] = lambda _line: None
) -> Mapping[str, Path]:
    """The path in the cache of each artifact, by its name; several are fetched at the same time.

    Raises:
        DeployError: some cannot be had; every one of them is named.
    """
    found, failures = fetch_each(needed, source, tell)
    if failures:
        raise DeployError("\n".join([*failures, REMEDY]))
    return found


def fetch_each(
    needed: Sequence[Artifact], source: Source, tell: Callable[[str], None] = lambda _line: None
) -> tuple[Mapping[str, Path], Sequence[str]]:
    """The path of each artifact that can be had, by its name, and why the others cannot."""
    found: dict[str, Path] = {}
    failures: dict[str, str] = {}

    def work(artifact: Artifact) -> None:
        try:
            found[artifact.name] = fetch(artifact, source, tell)
        except Exception as error:
            own = isinstance(error, DeployError)
            failures[artifact.name] = str(error) if own else f"{artifact.file}: internal error: {error!r}"

    _in_parallel(work, needed)
    in_order = {one.name: found[one.name] for one in needed if one.name in found}
    return in_order, [failures[one.name] for one in needed if one.name in failures]


def fetch(artifact: Artifact, source: Source, tell: Callable[[str], None] = lambda _line: None) -> Path:
    """The path in the cache of one artifact; DeployError names it if it cannot be had."""
    folder = source.cache / _key(artifact)
    target = folder / artifact.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            if not _is_whole(target):
                tell(f"downloading {artifact.file}")
                _get(artifact, target, source)
    except DownloadError as error:
        raise DeployError(_refusal(artifact, mirrored(artifact.origin, source.mirror), str(error))) from error
    except OSError as error:
        remedy = "; make room there" if error.errno == errno.ENOSPC else ""
        raise DeployError(f"{artifact.file}: cannot be kept in {folder}: {error.strerror}{remedy}") from error
    return target


def _key(artifact: Artifact) -> str:
    """What stands for an artifact in the cache: its content's hash where that is known beforehand."""
    if artifact.url and artifact.sha256:
        return artifact.sha256
    origin = f"{artifact.origin}@{artifact.digest} {artifact.architecture}"
    return f"origin-{hashlib.sha256(origin.encode()).hexdigest()}"


def _get(artifact: Artifact, target: Path, source: Source) -> None:
    """Fetch an artifact, and note the hash of what came beside it."""
    part, blobs = target.with_name("part"), target.with_name("blobs")
    if artifact.url:
        download(
            mirrored(artifact.url, source.mirror), part, source.timeouts, may_resume=bool(artifact.sha256)
        )
    elif artifact.image:
        puller = Puller(blobs, source.mirror, source.timeouts)
        puller.pull(artifact.image, artifact.architecture, part, digest=artifact.digest)
    else:
        raise DownloadError("its project releases no such file")
    found = sha256_of(part)
    if artifact.url and artifact.sha256 not in ("", found):
        part.unlink()
        raise DownloadError(f"its sha256 is {found}, but {artifact.sha256} was published; it was not kept")
    _note(target).write_text(found, encoding="ascii")
    part.replace(target)
    shutil.rmtree(blobs, ignore_errors=True)


def _is_whole(target: Path) -> bool:
    """Whether a file is in the cache and still what came."""
    return (
        target.is_file()
        and _note(target).is_file()
        and _note(target).read_text(encoding="ascii") == sha256_once(target)
    )


def _note(target: Path) -> Path:
    """Where the hash of a file in the cache is noted."""
    return target.with_name("sha256")


def _refusal(artifact: Artifact, url: str, reason: str) -> str:
    return f"{artifact.file}: cannot be downloaded{f' from {url}' if url else ''}: {reason}"


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
