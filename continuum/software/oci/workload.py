"""Builds the image of a workload, with its base, libraries, files and code as separate layers.

The layers that change most often are on top: a change of the code changes only the last layer.
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
"""Folder of a workload's files in its image, and its working directory."""

REGISTRY = "continuum.local"
"""Registry in the names of images that are not in a registry."""

_FORM = 1  # increase it with every change of the content, to invalidate cached layers
_MAX_ARCHIVES = 6


@dataclass(frozen=True)
class WorkloadImage:
    """The image of a workload.

    Attributes:
        reference: its name, derived from its content.
        path: its archive, for ``ctr images import`` or ``docker load``.
        image: description of the archive.
        python: path of its interpreter, which replaces ``{python}`` in a workload's command.
        folder: folder of the workload's files, and its working directory.
        build_s: build time in seconds.
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
    """The image of a workload; built if missing.

    It does not contain the workload's environment and command, which differ between replicas.

    Args:
        workload: the workload, whose files, requirements, code and programs go into the image.
        architecture: architecture of the nodes, as in images.
        base: archive of a base image with Python; None for a Debian built for the workload.
        mirror: address of a mirror of Debian packages; None for Debian's default.
        cache: folder of images; None for this user's cache.

    Raises:
        DeployError: the requirements cannot be resolved.
        HostError: mmdebstrap or uv is missing.
        ProvisionError: the base cannot be built.
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
    """Write the archive if it is missing; remove the least recently used ones."""
    if not path.is_file():
        pack(path, parts)
    with suppress(OSError):
        os.utime(path)
        used = sorted(path.parent.glob("*.tar"), key=lambda one: one.stat().st_mtime, reverse=True)
        for one in used[_MAX_ARCHIVES:]:
            one.unlink(missing_ok=True)
    return path


def _files(workload: Workload, folder: Path) -> Layer:
    """The workload's files, in its working directory."""
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
    """The libraries in a virtual environment; None if there are none."""
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
                packed.extractall(site)  # noqa: S202 - written by this project
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
