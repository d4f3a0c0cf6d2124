"""Large files onto nodes, each once: programs under their names, images into the container engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from continuum import oci
from continuum.connection import Connection
from continuum.errors import CommandFailed, DeployError
from continuum.oci.archive import ArchiveError
from continuum.packages.store import cache_folder

STORE = PurePosixPath("/var/lib/continuum/artifacts")
"""Where files are kept on a node, each by the hash of its content."""

PROGRAMS = PurePosixPath("/usr/local/bin")
IMPORT_TIMEOUT_S = 600.0
LOOK_TIMEOUT_S = 60.0
PARALLEL = 8
_CHUNK_BYTES = 1 << 20
_LINK = 'd=$1; shift; while [ $# -gt 0 ]; do ln -f "$d/$1" "$2" && chmod 755 "$2" || exit; shift 2; done'
# Kept until the import has come to its end, so that one that was cut short is repeated.
_IMPORT = (
    '[ -e "$1.imported" ] && exit 0; ctr -n k8s.io images import "$1" >/dev/null'
    ' && touch "$1.imported" && : >"$1"'
)


def programs(connection: Connection, files: Mapping[str, Path]) -> None:
    """Put programs on a node, by the names they are to have; the same content is copied once."""
    hashes = {name: _sha256(path) for name, path in files.items()}
    _copy(connection, {hashes[name]: path for name, path in files.items()})
    words = [word for name, digest in hashes.items() for word in (digest, str(PROGRAMS / name))]
    connection.run(["/bin/sh", "-c", _LINK, "sh", str(STORE), *words], timeout=LOOK_TIMEOUT_S)


def images(connection: Connection, archives: Sequence[Path]) -> None:
    """Put images into a node's container engine, unless they were put there already.

    Raises:
        DeployError: the engine does not take them.
    """
    for archive in archives:
        digest = _sha256(archive)
        _copy(connection, {digest: archive})
        try:
            connection.run(["/bin/sh", "-c", _IMPORT, "sh", str(STORE / digest)], timeout=IMPORT_TIMEOUT_S)
        except CommandFailed as error:
            raise DeployError(
                f"{connection.node}: the container engine does not take {archive.name}: {error}"
            ) from error


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
