"""Installs packages on a node; runs there under the node's Python, with the standard library only.

    python3 -c SOURCE ROOT missing NAME...        print the archives that are not unpacked yet
    python3 -c SOURCE ROOT receive NAME:BYTES...  unpack archives from standard input, in this order
    python3 -c SOURCE ROOT install MANIFEST       create the environment of a package, once

Nothing is downloaded. An archive's name begins with its hash; it is unpacked while it is received and
discarded if the hash differs. A virtual environment contains hard links to the unpacked files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tarfile
import time
import venv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_CHUNK_BYTES = 1 << 18


class Incoming:
    """One archive in a stream of several.

    Args:
        stream: the stream, positioned at the archive's first byte.
        size_bytes: size of the archive.
    """

    def __init__(self, stream: IO[bytes], size_bytes: int) -> None:
        self._stream, self._left = stream, size_bytes
        self._digest = hashlib.sha256()

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        """The next bytes; empty at the end of the archive."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        self._digest.update(data)
        return data

    def sha256(self) -> str:
        """Hash of the archive; reads the rest of it first."""
        while self.read():
            pass
        return self._digest.hexdigest()


class NodeStore:
    """The packages on this node.

    Args:
        root: the folder that contains them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("unpacked", "environments", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def missing(self, names: list[str]) -> list[str]:
        """The archives that are not unpacked yet."""
        return [name for name in names if not self._tree(name).exists()]

    def receive(self, announced: list[str], stream: IO[bytes]) -> list[str]:
        """Unpack the archives in a stream, unless they already are; returns the names of the new ones.

        Exits if the hash of an archive differs from its name.
        """
        fresh = []
        for name, _, size in (one.partition(":") for one in announced):
            archive, tree = Incoming(stream, int(size)), self._tree(name)
            with self._locked(tree.name):
                if not tree.exists():
                    self._unpack(archive, tree)
                    fresh.append(name)
            archive.sha256()
        return fresh

    def _unpack(self, archive: Incoming, tree: Path) -> None:
        part = tree.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            with tarfile.open(fileobj=archive, mode="r|*", bufsize=_CHUNK_BYTES) as packed:  # type: ignore[call-overload]
                packed.copybufsize = _CHUNK_BYTES  # smaller pieces copy the rest of the buffer each time
                packed.extractall(part)  # noqa: S202 - made by this project
        except (tarfile.TarError, EOFError, zlib.error) as error:
            _refuse(f"{tree.name}: {error}")
        if archive.sha256() != tree.name:
            shutil.rmtree(part)
            _refuse(tree.name)
        part.rename(tree)

    def install(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create the environment unless it exists; one process at a time, the others wait for it."""
        begin = time.monotonic()
        made, python = self._environment(str(manifest["environment"]), manifest["libraries"])
        code = str(self._tree(manifest["code"]))
        return {"python": python, "code": code, "fresh": made, "seconds": time.monotonic() - begin}

    def _environment(self, name: str, libraries: list[str]) -> tuple[bool, str]:
        """Whether a virtual environment was created, and its interpreter."""
        if not name:
            return False, sys.executable
        folder = self.root / "environments" / name
        python, complete = folder / "bin" / "python", folder / "complete"
        with self._locked(name):
            if complete.exists():
                return False, str(python)
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, symlinks=True)
            (packages,) = folder.glob("lib/python3*/site-packages")
            for library in libraries:
                shutil.copytree(self._tree(library), packages, copy_function=_link, dirs_exist_ok=True)
            complete.touch()
        return True, str(python)

    def _tree(self, name: str) -> Path:
        return self.root / "unpacked" / name.partition(".")[0]

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.root / "locks" / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _link(source: str, target: str) -> None:
    """Create a hard link; replaces an existing file."""
    Path(target).unlink(missing_ok=True)
    os.link(source, target)


def _refuse(what: str) -> None:
    sys.exit(f"{what}: the received data is corrupt; try again")


def main(root: str, verb: str, *arguments: str) -> None:
    """Execute the command line and print the result as JSON."""
    store = NodeStore(Path(root))
    if verb == "missing":
        answer: Any = store.missing(list(arguments))
    elif verb == "receive":
        answer = store.receive(list(arguments), sys.stdin.buffer)
    else:
        answer = store.install(json.loads(arguments[0]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
