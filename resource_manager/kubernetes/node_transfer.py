"""Copies large files onto nodes, each content once: programs, archives, images for the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from continuum.connection import Connection
from continuum.errors import CommandFailed, DeployError
from continuum.host.files import sha256_of
from continuum.software import oci
from continuum.software.oci.archive import ArchiveError
from continuum.software.packages.store import cache_folder

STORE = PurePosixPath("/var/lib/continuum/artifacts")
"""Folder of copied files on a node, each named by the hash of its content."""

PROGRAMS = PurePosixPath("/usr/local/bin")
IMPORT_TIMEOUT_S = 600.0
LOOK_TIMEOUT_S = 60.0
PARALLEL = 8
_LINK = 'd=$1; shift; while [ $# -gt 0 ]; do ln -f "$d/$1" "$2" && chmod 755 "$2" || exit; shift 2; done'
_IMPORT = "/etc/continuum/images.sh"
"""The script on nodes that imports images, see ``templates/images.sh.j2``."""


def programs(connection: Connection, files: Mapping[str, Path]) -> None:
    """Put programs on a node, by their names there; the same content is copied once."""
    put(connection, {str(PROGRAMS / name): path for name, path in files.items()})


def put(connection: Connection, files: Mapping[str, Path]) -> None:
    """Put files on a node, by their paths there; the same content is copied once."""
    if not files:
        return
    hashes = {target: _sha256(path) for target, path in files.items()}
    _copy(connection, {hashes[target]: path for target, path in files.items()})
    words = [word for target, digest in hashes.items() for word in (digest, target)]
    connection.run(["/bin/sh", "-c", _LINK, "sh", str(STORE), *words], timeout=LOOK_TIMEOUT_S)


def place(connection: Connection, archives: Sequence[Path]) -> list[str]:
    """Put files on a node, each once; returns their paths there."""
    hashes = {_sha256(path): path for path in archives}
    _copy(connection, hashes)
    return [str(STORE / digest) for digest in hashes]


def images(
    connection: Connection, archives: Sequence[Path], *, timeout_scale: float, anew: bool = False
) -> None:
    """Import images into a node's container engine, unless they were imported before.

    Args:
        connection: to the node.
        archives: of the images.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.
        anew: import them in any case.

    Raises:
        DeployError: the engine refuses them.
    """
    if anew:
        marks = [str(STORE / _sha256(path)) for path in archives]
        connection.run(["rm", "-f", *marks, *(f"{mark}.imported" for mark in marks)], timeout=LOOK_TIMEOUT_S)
    try:
        there = place(connection, archives)
        connection.run([_IMPORT, *there], timeout=IMPORT_TIMEOUT_S * timeout_scale)
    except CommandFailed as error:
        full = "; give its disk more room" if "no space left" in str(error) else ""
        raise DeployError(f"{connection.node}: its engine imports no image{full}: {error}") from error


def together(archives: Sequence[Path]) -> list[Path]:
    """The images of these archives in one archive if possible, since most share layers."""
    keys = "\n".join(_sha256(path) for path in archives)
    merged = cache_folder() / "images" / f"{hashlib.sha256(keys.encode()).hexdigest()}.tar"
    if merged.is_file():
        return [merged]
    try:
        return [oci.merge(merged, archives)]
    except ArchiveError:
        return list(archives)  # some have an older format, which the engine imports as well


def everywhere(action: Callable[[str], None], nodes: Iterable[str]) -> None:
    """Do something on all nodes at the same time; raises the first error when all have finished."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = [pool.submit(action, node) for node in nodes]
    for future in futures:
        future.result()


def _copy(connection: Connection, files: Mapping[str, Path]) -> None:
    """Copy the files that are missing on the node, by the hash of their content."""
    look = 'd=$1; shift; for f; do [ -e "$d/$f" ] || echo "$f"; done'
    done = connection.run(["/bin/sh", "-c", look, "sh", str(STORE), *files], timeout=LOOK_TIMEOUT_S)
    for digest in files.keys() & set(done.stdout.split()):
        connection.put(files[digest], STORE / digest)


def _sha256(path: Path) -> str:
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _hashed(path: Path, _size: int, _changed: int) -> str:
    return sha256_of(path)
