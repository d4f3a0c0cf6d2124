"""Large files onto nodes, each once: programs under their names, images into the container engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from continuum.connection import Connection
from continuum.errors import CommandFailed, DeployError
from continuum.software import oci
from continuum.software.oci.archive import ArchiveError
from continuum.software.packages.store import cache_folder

STORE = PurePosixPath("/var/lib/continuum/artifacts")
"""Where files are kept on a node, each by the hash of its content."""

PROGRAMS = PurePosixPath("/usr/local/bin")
IMPORT_TIMEOUT_S = 600.0
LOOK_TIMEOUT_S = 60.0
PARALLEL = 8
_CHUNK_BYTES = 1 << 20
_LINK = 'd=$1; shift; while [ $# -gt 0 ]; do ln -f "$d/$1" "$2" && chmod 755 "$2" || exit; shift 2; done'
_IMPORT = "/etc/continuum/images.sh"
"""The node's own script for it, see ``templates/images.sh.j2``."""


def programs(connection: Connection, files: Mapping[str, Path]) -> None:
    """Put programs on a node, by the names they are to have; the same content is copied once."""
    hashes = {name: _sha256(path) for name, path in files.items()}
    _copy(connection, {hashes[name]: path for name, path in files.items()})
    words = [word for name, digest in hashes.items() for word in (digest, str(PROGRAMS / name))]
    connection.run(["/bin/sh", "-c", _LINK, "sh", str(STORE), *words], timeout=LOOK_TIMEOUT_S)


def place(connection: Connection, archives: Sequence[Path]) -> list[str]:
    """Put files on a node, each once; where they are there."""
    hashes = {_sha256(path): path for path in archives}
    _copy(connection, hashes)
    return [str(STORE / digest) for digest in hashes]


def images(
    connection: Connection, archives: Sequence[Path], *, timeout_scale: float, anew: bool = False
) -> None:
    """Put images into a node's container engine, unless they were put there already.

    Args:
        connection: the way to the node.
        archives: of the images.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.
        anew: put them there in any case.

    Raises:
        DeployError: the engine does not take them.
    """
    if anew:
        marks = [str(STORE / _sha256(path)) for path in archives]
        connection.run(["rm", "-f", *marks, *(f"{mark}.imported" for mark in marks)], timeout=LOOK_TIMEOUT_S)
    try:
        there = place(connection, archives)
        connection.run([_IMPORT, *there], timeout=IMPORT_TIMEOUT_S * timeout_scale)
    except CommandFailed as error:
        full = "; give its disk more room" if "no space left" in str(error) else ""
        raise DeployError(f"{connection.node}: its engine takes no image{full}: {error}") from error


def together(archives: Sequence[Path]) -> list[Path]:
    """The images of these archives in as few files as can be, since most have layers in common."""
    keys = "\n".join(_sha256(path) for path in archives)
    kept = cache_folder() / "images" / f"{hashlib.sha256(keys.encode()).hexdigest()}.tar"
    if kept.is_file():
        return [kept]
    try:
        return [oci.merge(kept, archives)]
    except ArchiveError:
        return list(archives)  # some are of an older form, which the engine takes all the same


def everywhere(action: Callable[[str], None], nodes: Iterable[str]) -> None:
    """Do something for all nodes at the same time; the first error after all have come to their end."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = [pool.submit(action, node) for node in nodes]
    for future in futures:
        future.result()


def _copy(connection: Connection, files: Mapping[str, Path]) -> None:
    """Copy what the node lacks, by the hash of its content."""
    look = 'd=$1; shift; for f; do [ -e "$d/$f" ] || echo "$f"; done'
    done = connection.run(["/bin/sh", "-c", look, "sh", str(STORE), *files], timeout=LOOK_TIMEOUT_S)
    for digest in done.stdout.split():
        connection.put(files[digest], STORE / digest)


def _sha256(path: Path) -> str:
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _hashed(path: Path, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
