"""What workloads need besides the artifacts, in the same folder: libraries, and the base of their images.

A folder of artifacts may hold ``libraries/``: wheels by their hash, a note of each set of requirements that
was resolved, and layers. ``export`` puts them there where there is a package index, ``adopt`` takes them into
this user's cache where there may be none; nothing is resolved or downloaded then.
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
class Wish:
    """What libraries are for.

    Attributes:
        workloads: what will run.
        architecture: of the nodes, as Debian names it.
        in_images: whether workloads run in containers, which need a base for their image.
        mirror: where Debian's packages come from; None for Debian's own.
    """

    workloads: tuple[Workload, ...]
    architecture: str
    in_images: bool
    mirror: str | None = None

    def interpreter(self) -> Interpreter:
        """The Python of nodes and images that are made here."""
        machine = MACHINES.get(self.architecture, self.architecture)
        return Interpreter("cpython", (*debian_image.PYTHON, 0), machine, "glibc", debian_image.GLIBC)


def export(wish: Wish, folder: Path, tell: Callable[[str], None]) -> None:
    """Put into a folder of artifacts what workloads need on nodes with the Debian that is made here.

    Raises:
        DeployError: requirements cannot be met.
        HostError: a tool is missing.
        ProvisionError: the base of images cannot be made.
    """
    cache, to, interpreter = cache_folder(), folder / FOLDER, wish.interpreter()
    for workload in wish.workloads:
        if workload.requirements:
            tell(f"libraries of {workload.name} for {interpreter}")
            resolved = lock.resolve(workload.requirements, interpreter, cache)
            store = Store(cache / "wheels")
            wheels = store.wheels(resolved, interpreter)
            for wheel in wheels:
                _copy(store.path(wheel), to / "wheels" / wheel.sha256 / wheel.name)
            _write_set(to, workload, interpreter, resolved, wheels)
        if wish.in_images:
            packages = tuple(program.package for program in workload.programs)
            tell(f"base of the image of {workload.name}")
            layer = debian_base(cache / "images", wish.architecture, packages, wish.mirror).layers[0]
            note = layer_cache.path_of(cache / "images", debian_key(wish.architecture, packages))
            assert layer.path is not None, "a base that was made has a file"
            for path in (layer.path, note):
                _copy(path, to / "images" / path.name)


def adopt(folder: Path) -> None:
    """Take what a folder of artifacts holds for workloads into this user's cache; what is there stays.

    Raises:
        HostError: something in it is corrupt; the file is named.
    """
    source, cache = folder / FOLDER, cache_folder()
    try:
        for note in sorted(source.glob("sets/*.json")):
            _adopt_set(json.loads(note.read_text(encoding="utf-8")), source, cache)
        for note in sorted(source.glob("images/*.json")):
            digest = str(json.loads(note.read_text(encoding="utf-8"))["layer"]["digest"])
            _take(source / "images" / digest.removeprefix("sha256:"), cache / "images", digest[7:])
            _copy(note, cache / "images" / note.name)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; {_remedy(folder)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{source}: not what `continuum artifacts` writes ({error}); {_remedy(folder)}"
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
            _take(source / "wheels" / wheel.sha256 / wheel.name, store.path(wheel).parent, wheel.sha256)
    store.remember(about["lock"], about["interpreter"], wheels)
    lock.keep(about["lock"], about["requirements"], about["interpreter"], cache)


def _take(path: Path, to: Path, sha256: str) -> None:
    """Copy a file into a folder, if it is what its hash says."""
    target = to / path.name
    if target.is_file() and target.stat().st_size == path.stat().st_size:
        return
    found = sha256_of(path)
    if found != sha256:
        raise HostError(f"{path}: corrupt: its sha256 is {found}; {_remedy(path.parents[2])}")
    _copy(path, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, atomically, unless it is there."""
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        shutil.copyfile(source, Path(temporary, "part")).replace(target)


def _remedy(folder: Path) -> str:
    return f"remove {folder / FOLDER if folder.name != FOLDER else folder} and download it again"
