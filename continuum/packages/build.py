"""A workload's package for one kind of interpreter: locked wheels, the workload's code, a manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.errors import DeployError
from continuum.packages import lock, store
from continuum.packages.interpreter import Interpreter
from continuum.packages.store import Store, Wheel

ALWAYS = ("continuum",)
"""Code that every workload has: what it takes part in a run with."""


@dataclass(frozen=True)
class Package:
    """Everything one workload needs on nodes of one kind.

    Attributes:
        interpreter: what it was built for.
        wheels: the libraries.
        installer: the wheel of the program that installs them on the node; None without libraries.
        code: archive of the workload's own code.
        code_id: hash of that archive.
        environment_id: the same for packages with the same libraries for the same kind of interpreter;
            empty without libraries.
        store: where the wheels are on this host.
        build_s: how long it took to build.
    """

    interpreter: Interpreter
    wheels: tuple[Wheel, ...]
    installer: Wheel | None
    code: Path
    code_id: str
    environment_id: str
    store: Store
    build_s: float = 0.0

    def parts(self) -> Iterator[tuple[str, Path]]:
        """What has to be on the node, each by a name that holds its hash, and where it is here."""
        for wheel in (*self.wheels, *([self.installer] if self.installer else [])):
            yield f"wheels/{wheel.sha256}/{wheel.name}", self.store.path(wheel)
        yield f"archives/{self.code_id}.tar.gz", self.code

    def manifest(self) -> dict[str, Any]:
        """What the node installs, with the hash of everything that was copied; plain JSON."""
        return {
            "schema": 1,
            "interpreter": self.interpreter.to_json(),
            "environment": self.environment_id,
            "wheels": [vars(wheel) for wheel in self.wheels],
            "installer": vars(self.installer) if self.installer else None,
            "code": self.code_id,
        }

    def manifest_id(self) -> str:
        """Hash of the manifest, which stands for the whole package."""
        return hashlib.sha256(json.dumps(self.manifest(), sort_keys=True).encode()).hexdigest()


def build(
    requirements: Sequence[str], modules: Sequence[str], interpreter: Interpreter, *, root: Path
) -> Package:
    """Build a package; what the cache holds already is not made again.

    Args:
        requirements: Python packages, as pip requirement strings.
        modules: packages and modules of our own, by dotted name, found below ``root``.
        interpreter: what it is for.
        root: the folder that holds the top-level packages.

    Raises:
        DeployError: requirements cannot be met, or there is no such module.
    """
    begin = time.monotonic()
    cache = store.cache_folder()
    wheels_store = Store(cache / "wheels")
    locked = lock.resolve(requirements, interpreter, cache)
    wheels = wheels_store.wheels(locked, interpreter)
    installer = _installer(wheels_store, interpreter, cache) if wheels else None
    code = pack_code((*ALWAYS, *modules), root)
    code_id = hashlib.sha256(code).hexdigest()
    environment = hashlib.sha256(f"{interpreter.key}\n{locked}".encode()).hexdigest()[:16] if wheels else ""
    return Package(
        interpreter=interpreter,
        wheels=wheels,
        installer=installer,
        code=_kept(cache / "code", code_id, code),
        code_id=code_id,
        environment_id=environment,
        store=wheels_store,
        build_s=time.monotonic() - begin,
    )


def pack_code(modules: Sequence[str], root: Path) -> bytes:
    """A ``tar.gz`` of the Python files of some modules; the same bytes for the same files."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted({path for module in modules for path in _files_of(module, root)}):
            data = path.read_bytes()
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The module's files and the ``__init__.py`` of every package above it."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        yield from _if_there(root.joinpath(*parts[:depth], "__init__.py"))
    folder = root.joinpath(*parts)
    if folder.is_dir():
        yield from folder.rglob("*.py")
    elif folder.with_suffix(".py").is_file():
        yield folder.with_suffix(".py")
    else:
        raise DeployError(f"no module {module} below {root}: a workload names it as its code")


def _if_there(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path


def _installer(wheels: Store, interpreter: Interpreter, cache: Path) -> Wheel:
    """The wheel of uv for the node, in the version that is installed here."""
    import subprocess

    done = subprocess.run(
        [str(lock.find_uv()), "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    version = done.stdout.split()[1]
    return wheels.wheels(lock.resolve([f"uv=={version}"], interpreter, cache), interpreter)[0]


def _kept(folder: Path, name: str, data: bytes) -> Path:
    """A file of the cache with this content."""
    path = folder / f"{name}.tar.gz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{time.monotonic_ns()}")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path
