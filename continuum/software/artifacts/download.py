"""Downloads artifacts from their projects into a cache keyed by checksum: in parallel, verified, atomic.

The checksum of a file whose project publishes none is recorded when it is first downloaded, and every later
download must have the same.
"""

from __future__ import annotations

import errno
import hashlib
import queue
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from continuum.errors import DeployError
from continuum.host.files import locked, sha256_of, write_atomically
from continuum.software.artifacts.artifact import Artifact
from continuum.software.artifacts.verified import sha256_once
from continuum.software.download import DownloadError, Timeouts, download, mirrored
from continuum.software.oci.registry import Puller

PARALLEL = 4
REMEDY = (
    "check that this machine can reach these addresses (https_proxy sets a proxy), set artifact_mirror to a"
    " mirror, or put the files into a folder and set artifact_dir to it"
)
_POLL_S = 0.2


@dataclass(frozen=True)
class Source:
    """Where artifacts come from and go to.

    Attributes:
        cache: folder that holds each file under its checksum.
        mirror: address of a mirror whose folders are named as the projects' hosts; empty for the hosts.
        timeouts: how long a download may take.
    """

    cache: Path
    mirror: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)


def fetch_all(
    needed: Sequence[Artifact], source: Source, tell: Callable[[str], None] = lambda _line: None
) -> Mapping[str, Path]:
    """The path in the cache of each artifact, by its name; several are downloaded in parallel.

    Raises:
        DeployError: some are unavailable; the message names all of them.
    """
    found, failures = fetch_each(needed, source, tell)
    if failures:
        raise DeployError("\n".join([*failures, REMEDY]))
    return found


def fetch_each(
    needed: Sequence[Artifact], source: Source, tell: Callable[[str], None] = lambda _line: None
) -> tuple[Mapping[str, Path], Sequence[str]]:
    """The path of each available artifact, by its name, and the reason for each of the others."""
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
    """The path in the cache of one artifact; DeployError if it is unavailable."""
    folder = source.cache / _key(artifact)
    target = folder / artifact.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only one process at a time downloads a file; the others wait and find it in the cache.
        with locked(folder / "lock"):
            if not _is_intact(target):
                tell(f"downloading {artifact.file}")
                _get(artifact, target, source)
    except DownloadError as error:
        raise DeployError(_refusal(artifact, mirrored(artifact.origin, source.mirror), str(error))) from error
    except OSError as error:
        remedy = "; free some space there" if error.errno == errno.ENOSPC else ""
        raise DeployError(
            f"{artifact.file}: cannot be written to {folder}: {error.strerror}{remedy}"
        ) from error
    return target


def _key(artifact: Artifact) -> str:
    """The key of an artifact in the cache: the hash of its content if it is known in advance."""
    if artifact.url and artifact.sha256:
        return artifact.sha256
    origin = f"{artifact.origin}@{artifact.digest} {artifact.architecture}"
    return f"origin-{hashlib.sha256(origin.encode()).hexdigest()}"


def _get(artifact: Artifact, target: Path, source: Source) -> None:
    """Download an artifact, and write the hash of the received file beside it."""
    part, blobs = target.with_name("part"), target.with_name("blobs")
    if artifact.url:
        download(
            mirrored(artifact.url, source.mirror), part, source.timeouts, may_resume=bool(artifact.sha256)
        )
    elif artifact.image:
        puller = Puller(blobs, source.mirror, source.timeouts)
        puller.pull(artifact.image, artifact.architecture, part, digest=artifact.digest)
    else:
        raise DownloadError("its project does not release it")
    found = sha256_of(part)
    if artifact.url and artifact.sha256 not in ("", found):
        part.unlink()
        raise DownloadError(
            f"its sha256 is {found}, but {artifact.sha256} was published; the file was discarded"
        )
    if (recorded := _recorded(artifact, target)) not in ("", found):
        part.unlink()
        raise DownloadError(
            f"its sha256 is {found}, but {recorded} was recorded when it was first downloaded; the file was"
            f" discarded; if its project replaced it, delete {target.parent} to accept the new one"
        )
    write_atomically(_note(target), found)
    part.replace(target)
    shutil.rmtree(blobs, ignore_errors=True)


def _is_intact(target: Path) -> bool:
    """Whether a file is in the cache and has not changed since it was downloaded."""
    return (
        target.is_file()
        and _note(target).is_file()
        and _note(target).read_text(encoding="ascii") == sha256_once(target)
    )


def _recorded(artifact: Artifact, target: Path) -> str:
    """The hash of the first download of a file that has no published checksum; empty if there is none."""
    if artifact.is_pinned:
        return ""
    try:
        return _note(target).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _note(target: Path) -> Path:
    """The file that holds the hash of a file in the cache."""
    return target.with_name("sha256")


def _refusal(artifact: Artifact, url: str, reason: str) -> str:
    return f"{artifact.file}: cannot be downloaded{f' from {url}' if url else ''}: {reason}"


def _in_parallel(work: Callable[[Artifact], None], needed: Sequence[Artifact]) -> None:
    """Process a list in daemon threads, which an interrupt of this thread does not wait for."""
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
