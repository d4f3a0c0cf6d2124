"""A workload as an image: a base with Python, its libraries, its files, its code - each a layer of its own.

What changes most often is on top: after a change of code, only the last layer is another.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from continuum.model.workload import Workload
from continuum.software.oci import layer_cache
from continuum.software.oci.base import Base, base_in, debian_base
from continuum.software.oci.compiling import compile_tree
from continuum.software.oci.image import Image, ImageConfig, Parts, compose, digest_of, image_of, pack
from continuum.software.oci.layer import Content, Layer, from_files
from continuum.software.packages.build import Package, build
from continuum.software.packages.deliver import CHECKOUT
from continuum.software.packages.store import cache_folder

ROOT = "/opt/continuum"
ENVIRONMENT = f"{ROOT}/environment"
CODE = f"{ROOT}/code"
FOLDER = "/workload"
"""Where a workload's files are in its image, and where it is started."""

REGISTRY = "continuum.local"
"""What stands for a registry in the names of images that are in none."""

_FORM = 1  # another number for whatever is changed here, so that older layers are not taken for these
_KEPT_ARCHIVES = 6


@dataclass(frozen=True)
class WorkloadImage:
    """The image of a workload.

    Attributes:
        reference: its name, which stands for its content: the same name is the same image.
        path: its archive, for ``ctr images import`` or ``docker load``.
        image: what it consists of.
        python: the interpreter in it, which ``{python}`` in a workload's command stands for.
        folder: where its files are in it, and where it is to be started.
        build_s: time it took to make; little if all of it was there.
    """

    reference: str
    path: Path
    image: Image
    python: str
    folder: str
    build_s: float


def workload_image(
    workload: Workload,
    *,
    architecture: str = "amd64",
    base: Path | None = None,
    mirror: str | None = None,
    cache: Path | None = None,
) -> WorkloadImage:
    """The image of a workload, made unless it is there.

    Environment and command are left to whoever starts it, for they differ from replica to replica.

    Args:
        workload: what it is for; its files, requirements, code and programs go into it.
        architecture: of the nodes, as images name it.
        base: archive of an image to begin with, which has Python; None for a Debian made for it.
        mirror: where that Debian's packages come from; None for Debian's own.
        cache: where images are kept; None for this user's cache.

    Raises:
        DeployError: the requirements cannot be met.
        HostError: mmdebstrap or uv is missing.
        ProvisionError: the base cannot be made.
    """
    begin = time.monotonic()
    folder = (cache or cache_folder()) / "images"
    programs = tuple(program.package for program in workload.programs)
    beneath = base_in(base) if base else debian_base(folder, architecture, programs, mirror)
    package = build(workload.requirements, workload.code, beneath.interpreter, root=CHECKOUT)
    own = [_libraries(package, beneath, folder), _files(workload, folder), _code(package, folder)]
    python = f"{ENVIRONMENT}/bin/python" if package.libraries else beneath.python
    config = ImageConfig(
        command=(python,),
        environment={"PYTHONPATH": CODE, "PYTHONDONTWRITEBYTECODE": "1"},
        labels={"continuum.workload": workload.name},
        working_folder=FOLDER,
        architecture=architecture,
    )
    below = () if beneath.archive else beneath.layers
    parts = compose("", [*below, *(layer for layer in own if layer)], config, beneath.archive)
    name = f"{workload.name.lower()}:{digest_of(parts.manifest).removeprefix('sha256:')[:16]}"
    parts = replace(parts, reference=f"{REGISTRY}/{name}")
    path = _archive(parts, folder / "archives" / f"{name.replace(':', '-')}.tar")
    image = image_of(parts, path)
    return WorkloadImage(parts.reference, path, image, python, FOLDER, time.monotonic() - begin)


def _archive(parts: Parts, path: Path) -> Path:
    """Write the archive unless it is there; those that were not used for long make room."""
    if not path.is_file():
        pack(path, parts)
    with suppress(OSError):
        os.utime(path)
        used = sorted(path.parent.glob("*.tar"), key=lambda one: one.stat().st_mtime, reverse=True)
        for one in used[_KEPT_ARCHIVES:]:
            one.unlink(missing_ok=True)
    return path


def _files(workload: Workload, folder: Path) -> Layer:
    """The files it reads, in the folder it is started in."""
    placed = {f"{FOLDER}/{name}": path for name, path in workload.files.items()}
    return from_files({FOLDER: None, **placed}, folder)


def _code(package: Package, folder: Path) -> Layer:
    """The workload's own code."""
    with tarfile.open(package.code.path) as packed:
        files = {
            f"{CODE}/{member.name}": file.read()
            for member in packed
            if member.isfile() and (file := packed.extractfile(member))
        }
    return from_files(files, folder)


def _libraries(package: Package, base: Base, folder: Path) -> Layer | None:
    """The libraries, in a virtual environment; None if there are none."""
    if not package.libraries:
        return None
    key = f"libraries {_FORM} {package.environment_id} {base.python}"
    if (known := layer_cache.recall(folder, key)) and (layer := known.layer()):
        return layer
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        site = Path(temporary, "site-packages")
        for archive in package.libraries:
            with tarfile.open(archive.path) as packed:
                packed.extractall(site)  # noqa: S202 - made by this project
        place = f"{ENVIRONMENT}/lib/python{package.interpreter.short_version}/site-packages"
        compile_tree(site, place, package.interpreter)
        python = Path(temporary, "python")
        python.symlink_to(base.python)
        home = base.python.rpartition("/")[0]
        settings = f"home = {home}\ninclude-system-site-packages = false\n"
        files: dict[str, Content] = {
            f"{ENVIRONMENT}/bin/python": python,
            f"{ENVIRONMENT}/bin/python3": python,
            f"{ENVIRONMENT}/pyvenv.cfg": settings,
            place: site,
        }
        layer = from_files(files, folder)
    layer_cache.remember(folder, key, layer)
    return layer
