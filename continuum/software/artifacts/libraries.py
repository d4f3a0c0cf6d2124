"""The libraries of workloads and the base layers of their images, in a folder of artifacts.

Such a folder may contain ``libraries/``: wheels by hash, the lock of each resolved set of requirements, and
image layers. ``export`` writes them on a machine with a package index; ``adopt`` copies them into the cache
of a machine that may have none, so that nothing has to be resolved or downloaded there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.errors import HostError
from continuum.host.files import sha256_of, write_json
from continuum.model.workload import Workload
from continuum.software import debian_image
from continuum.software.oci import layer_cache
from continuum.software.oci.base import MACHINES, debian_base, debian_key
from continuum.software.packages import lock
from continuum.software.packages.interpreter import Interpreter
from continuum.software.packages.store import Store, Wheel, cache_folder

FOLDER = "libraries"


@dataclass(frozen=True)
class LibraryRequest:
    """What to export libraries for.

    Attributes:
        workloads: the workloads that will run.
        architecture: Debian architecture of the nodes.
        in_images: whether workloads run in containers, which need a base for their image.
        mirror: address of a mirror of Debian packages; None for Debian's default.
    """

    workloads: tuple[Workload, ...]
    architecture: str
    in_images: bool
    mirror: str | None = None

    def interpreter(self) -> Interpreter:
        """The Python of nodes and images that Continuum builds."""
        machine = MACHINES.get(self.architecture, self.architecture)
        return Interpreter("cpython", (*debian_image.PYTHON, 0), machine, "glibc", debian_image.GLIBC)


def export(request: LibraryRequest, folder: Path, tell: Callable[[str], None]) -> None:
    """Write what workloads need on nodes with Continuum's Debian into a folder of artifacts.

    Raises:
        DeployError: requirements cannot be resolved or downloaded.
        HostError: a tool is missing.
        ProvisionError: the base of images cannot be built.
    """
    cache, to, interpreter = cache_folder(), folder / FOLDER, request.interpreter()
    for workload in request.workloads:
        if workload.requirements:
            tell(f"libraries of {workload.name} for {interpreter}")
            resolved = lock.resolve(workload.requirements, interpreter, cache)
            store = Store(cache / "wheels")
            wheels = store.wheels(resolved, interpreter)
            for wheel in wheels:
                _copy(store.verified(wheel), to / "wheels" / wheel.sha256 / wheel.name)
            _write_set(to, workload, interpreter, resolved, wheels)
        if request.in_images:
            packages = tuple(program.package for program in workload.programs)
            tell(f"base of the image of {workload.name}")
            layer = debian_base(cache / "images", request.architecture, packages, request.mirror).layers[0]
            note = layer_cache.path_of(cache / "images", debian_key(request.architecture, packages))
            assert layer.path is not None, "a base that was built has a file"
            for path in (layer.path, note):
                _copy(path, to / "images" / path.name)


def adopt(folder: Path) -> None:
    """Copy the libraries in a folder of artifacts into this user's cache, except those it already holds.

    Raises:
        HostError: a file is corrupt; the message names it.
    """
    source, cache = folder / FOLDER, cache_folder()
    try:
        for note in sorted(source.glob("sets/*.json")):
            _adopt_set(json.loads(note.read_text(encoding="utf-8")), source, cache)
        for note in sorted(source.glob("images/*.json")):
            digest = str(json.loads(note.read_text(encoding="utf-8"))["layer"]["digest"])
            _copy_verified(source / "images" / digest.removeprefix("sha256:"), cache / "images", digest[7:])
            _copy(note, cache / "images" / note.name)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; {_remedy(folder)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{source}: not written by `continuum artifacts` ({error}); {_remedy(folder)}"
        ) from error


def _write_set(
    to: Path, workload: Workload, interpreter: Interpreter, resolved: str, wheels: Iterable[Wheel]
) -> None:
    requirements = sorted(set(workload.requirements))
    name = hashlib.sha256("\n".join([interpreter.key, *requirements]).encode()).hexdigest()[:32]
    (to / "sets").mkdir(parents=True, exist_ok=True)
    about = {"interpreter": interpreter.key, "requirements": requirements, "lock": resolved}
    write_json(to / "sets" / f"{name}.json", {**about, "wheels": [vars(wheel) for wheel in wheels]})


def _adopt_set(about: dict[str, Any], source: Path, cache: Path) -> None:
    store = Store(cache / "wheels")
    wheels = [Wheel(**one) for one in about["wheels"]]
    for wheel in wheels:
        if not store.has(wheel):
            path = source / "wheels" / wheel.sha256 / wheel.name
            _copy_verified(path, store.path(wheel).parent, wheel.sha256)
    store.remember(about["lock"], about["interpreter"], wheels)
    lock.remember(about["lock"], about["requirements"], about["interpreter"], cache)


def _copy_verified(path: Path, to: Path, sha256: str) -> None:
    """Copy a file into a folder after verifying its hash."""
    target = to / path.name
    if target.is_file() and target.stat().st_size == path.stat().st_size:
        return
    found = sha256_of(path)
    if found != sha256:
        raise HostError(f"{path}: corrupt: its sha256 is {found}; {_remedy(path.parents[2])}")
    _copy(path, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file atomically, unless the target exists."""
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        shutil.copyfile(source, Path(temporary, "part")).replace(target)


def _remedy(folder: Path) -> str:
    return f"remove {folder / FOLDER if folder.name != FOLDER else folder} and download it again"
