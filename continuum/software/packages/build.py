"""Builds a workload's package for one kind of interpreter: libraries, the workload's code, a manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.errors import DeployError
from continuum.host.files import write_atomically
from continuum.software.packages import lock, store
from continuum.software.packages.interpreter import Interpreter
from continuum.software.packages.source_root import source_root
from continuum.software.packages.store import Store
from continuum.software.packages.trees import Archive, Trees

ALWAYS = ("continuum",)
"""Code in every package: the SDK with which a workload takes part in a run."""


@dataclass(frozen=True)
class Package:
    """Everything that one workload needs on nodes of one kind.

    Attributes:
        interpreter: the interpreter it was built for.
        libraries: archives of libraries, to be unpacked into one folder.
        code: archive of the workload's own code.
        environment_id: identifier of the libraries and the kind of interpreter; empty without libraries.
        build_s: build time in seconds.
    """

    interpreter: Interpreter
    libraries: tuple[Archive, ...]
    code: Archive
    environment_id: str
    build_s: float = 0.0

    def parts(self) -> Mapping[str, Path]:
        """The archives that must be on the node: paths on this host by name; names begin with the hash."""
        return {archive.name: archive.path for archive in (*self.libraries, self.code)}

    def manifest(self) -> dict[str, Any]:
        """The contents of the package by hash, for the installer on the node; plain JSON."""
        return {
            "schema": 2,
            "interpreter": self.interpreter.to_json(),
            "environment": self.environment_id,
            "libraries": [archive.name for archive in self.libraries],
            "code": self.code.name,
        }


def build(
    requirements: Sequence[str],
    modules: Sequence[str],
    interpreter: Interpreter,
    *,
    root: Path,
    is_packed: bool = False,
) -> Package:
    """Build a package, using the cache of this user.

    Args:
        requirements: Python packages, as pip requirement strings.
        modules: packages and modules with the workload's code, by dotted name.
        interpreter: the interpreter to build for.
        root: the folder that holds Continuum's top-level packages; others are looked up where Python imports
            them from.
        is_packed: whether to compress libraries, for nodes behind a real network.

    Raises:
        DeployError: requirements cannot be resolved, or a module does not exist.
    """
    begin = time.monotonic()
    cache = store.cache_folder()
    locked = lock.resolve(requirements, interpreter, cache)
    wheels = Store(cache / "wheels")
    trees = Trees(cache / "trees", wheels, is_packed=is_packed)
    libraries = trees.archives(wheels.wheels(locked, interpreter), interpreter)
    code = pack_code((*ALWAYS, *modules), root)
    identity = "\n".join([interpreter.key, *(archive.sha256 for archive in libraries)])
    return Package(
        interpreter=interpreter,
        libraries=libraries,
        code=_cached(cache / "code", code),
        environment_id=hashlib.sha256(identity.encode()).hexdigest()[:16] if libraries else "",
        build_s=time.monotonic() - begin,
    )


def pack_code(modules: Sequence[str], root: Path) -> bytes:
    """A reproducible ``tar.gz`` of the Python files of some modules."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, path in sorted({found for module in modules for found in _named_files(module, root)}):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _named_files(module: str, root: Path) -> Iterator[tuple[str, Path]]:
    """The files of a module, each with its path below the folder that it is imported from."""
    base = source_root(module, root)
    yield from ((str(path.relative_to(base)), path) for path in _files_of(module, base))


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The module's files and the ``__init__.py`` of every parent package."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        yield from _if_there(root.joinpath(*parts[:depth], "__init__.py"))
    folder = root.joinpath(*parts)
    if folder.is_dir():
        yield from folder.rglob("*.py")
    elif folder.with_suffix(".py").is_file():
        yield folder.with_suffix(".py")
    else:
        raise DeployError(f"no module {module} below {root}, although a workload lists it as its code")


def _if_there(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path


def _cached(folder: Path, data: bytes) -> Archive:
    """A cached archive with this content; written if missing."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"{sha256}.tar.gz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    return Archive(path, sha256)
