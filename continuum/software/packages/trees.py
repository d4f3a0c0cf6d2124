"""Installed wheels as archives: created once on this host, only unpacked on nodes.

uv installs each wheel into a separate folder for the node's interpreter. If this host has a Python of the
same version, modules are compiled as well. The archive of the folder is reproducible and stored under the
wheel's hash.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from continuum.errors import DeployError
from continuum.host import run_command
from continuum.host.files import sha256_of
from continuum.software.packages import bytecode
from continuum.software.packages.interpreter import Interpreter
from continuum.software.packages.lock import find_uv
from continuum.software.packages.store import Store, Wheel

INSTALL_TIMEOUT_S = 300
_GZIP_LEVEL = 1
_LEFT_OUT = frozenset({"./.lock", "./bin"})
"""A file of uv, and scripts that refer to this host's interpreter."""


@dataclass(frozen=True)
class Archive:
    """An archive that nodes unpack.

    Attributes:
        path: its path on this host.
        sha256: hash of its content, in hexadecimal.
    """

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """Its name on nodes: its hash and its suffix."""
        return self.sha256 + "".join(self.path.suffixes)


@dataclass(frozen=True)
class Maker:
    """The interpreters involved in installing a wheel.

    Attributes:
        interpreter: the interpreter of the node.
        compiler: path of the Python on this host that compiles its bytecode; None if there is none.
    """

    interpreter: Interpreter
    compiler: Path | None

    @property
    def tag(self) -> str:
        """Part of the archive's name, since bytecode is specific to an interpreter and a wheel may not be."""
        return f"-{bytecode.tag(self.interpreter)}" if self.compiler else ""


class Trees:
    """The archives below one folder.

    Args:
        folder: the folder; created when needed.
        wheels: the store of wheels.
        is_packed: whether archives are compressed: a third of the size, three times the CPU time to unpack.
    """

    def __init__(self, folder: Path, wheels: Store, *, is_packed: bool) -> None:
        self.folder, self.wheels = folder, wheels
        self.suffix = ".tar.gz" if is_packed else ".tar"

    def archives(self, wheels: Sequence[Wheel], interpreter: Interpreter) -> tuple[Archive, ...]:
        """The archive of each wheel, in their order; created if missing.

        Raises:
            DeployError: a wheel cannot be installed.
        """
        maker = Maker(interpreter, bytecode.compiler(interpreter))
        known = [self._cached(wheel, maker) for wheel in wheels]
        if all(known):
            return tuple(archive for archive in known if archive)
        self.folder.mkdir(parents=True, exist_ok=True)
        # uv and zlib run without Python's global lock; largest wheels first.
        order = sorted(wheels, key=lambda wheel: -wheel.size_bytes)
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary, ThreadPoolExecutor() as pool:
            made = pool.map(lambda wheel: self._make(wheel, maker, Path(temporary)), order)
            found = dict(zip(order, made, strict=True))
        return tuple(found[wheel] for wheel in wheels)

    def _cached(self, wheel: Wheel, maker: Maker) -> Archive | None:
        """A wheel's archive with the expected size; None if absent."""
        try:
            path = self._path(wheel, maker)
            index = json.loads(_index(path).read_text(encoding="utf-8"))
            archive = Archive(path, str(index["sha256"]))
            return archive if archive.path.stat().st_size == index["size_bytes"] else None
        except (OSError, ValueError, KeyError):
            return None

    def _make(self, wheel: Wheel, maker: Maker, temporary: Path) -> Archive:
        path = self._path(wheel, maker)
        tree, part = temporary / wheel.sha256, temporary / path.name
        _install(self.wheels.verified(wheel), maker.interpreter, tree, temporary / "cache")
        if maker.compiler:
            bytecode.compile_tree(tree, maker.compiler)
        pack(tree, part)
        archive = Archive(path, sha256_of(part))
        index = {"sha256": archive.sha256, "size_bytes": part.stat().st_size}
        part.replace(path)
        described = temporary / _index(path).name
        described.write_text(json.dumps(index), encoding="utf-8")
        described.replace(_index(path))
        return archive

    def _path(self, wheel: Wheel, maker: Maker) -> Path:
        return self.folder / f"{wheel.sha256}{maker.tag}{self.suffix}"


def _index(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.json")


def install_command(wheel: Path, interpreter: Interpreter, to: Path) -> list[str]:
    """The command that installs a wheel for any interpreter."""
    return [
        *(str(find_uv()), "pip", "install", "--quiet", "--no-config", "--no-index", "--no-deps"),
        *("--python", sys.executable, "--link-mode", "hardlink"),
        *("--python-version", interpreter.short_version, "--python-platform", interpreter.uv_platform()),
        *("--target", str(to), str(wheel)),
    ]


def _install(wheel: Path, interpreter: Interpreter, to: Path, cache: Path) -> None:
    run_command.run(
        install_command(wheel, interpreter, to),
        f"{wheel.name} cannot be installed for {interpreter}",
        DeployError,
        timeout_s=INSTALL_TIMEOUT_S,
        env={**os.environ, "UV_CACHE_DIR": str(cache), "UV_OFFLINE": "1"},
    )


def pack(tree: Path, to: Path) -> None:
    """Write a reproducible archive of a folder."""
    with _writer(to) as file, tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(tree, ".", filter=_plain)


@contextmanager
def _writer(to: Path) -> Iterator[IO[bytes]]:
    with to.open("wb") as file:
        if to.suffix == ".gz":
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        else:
            yield file


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An entry without host-specific metadata; None for files that nodes do not need."""
    if entry.name in _LEFT_OUT or entry.name.endswith(".dist-info/direct_url.json"):
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry
