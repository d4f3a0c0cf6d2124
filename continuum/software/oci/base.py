"""The base of workloads' images: a minimal Debian with Python, as one layer."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from continuum.errors import DeployError
from continuum.host import facts
from continuum.software import debian_image
from continuum.software.debian_image import ImageRequest
from continuum.software.oci import layer_cache
from continuum.software.oci.archive import Archive
from continuum.software.oci.compiling import compile_tree
from continuum.software.oci.layer import Content, Layer, from_tar
from continuum.software.packages.interpreter import Interpreter, from_json

PACKAGES = ("python3", "libstdc++6", "dash", "coreutils", "libc-bin", "base-files", "base-passwd")
"""Packages of every image: Python, the libraries that wheels link to, and a shell for debugging."""

_FORM = 1  # increase it with every change of the content, to invalidate cached layers
_LEFT_OUT = ("dev", "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man")
# Files that packages write during configuration, which cannot run for a foreign architecture.
_CONFIGURED: Mapping[str, Content] = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PYTHON = re.compile(r"usr/(?:local/)?bin/python3\.(\d+)")
_GLIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:[\w-]+/)?libc\.so\.6|(?:usr/)?lib/[\w-]+/libc-2\.\d+\.so")
_MUSL = re.compile(r"lib/ld-musl-\w+\.so\.1")
_GLIBC_VERSION = re.compile(rb"GNU C Library [^\n]{0,80}?version (\d+)\.(\d+)")


@dataclass(frozen=True)
class Base:
    """The base of a workload's image.

    Attributes:
        interpreter: its Python.
        python: path of the Python in the image.
        layers: its layers, lowest first.
        archive: archive of the image that contains the layers; None if each layer is a separate file.
    """

    interpreter: Interpreter
    python: str
    layers: tuple[Layer, ...]
    archive: Path | None = None


def debian_base(
    folder: Path, architecture: str, packages: tuple[str, ...] = (), mirror: str | None = None
) -> Base:
    """A Debian of the nodes' release with Python; built once and cached.

    None of its programs run during the build, so it can be built for any architecture.

    Args:
        folder: folder of cached layers.
        architecture: as Debian names it, such as ``amd64``.
        packages: additional packages.
        mirror: address of a mirror of Debian packages; None for Debian's default.

    Raises:
        HostError: mmdebstrap is missing.
        ProvisionError: it cannot be built.
    """
    wanted = tuple(dict.fromkeys((*PACKAGES, *packages)))
    key = debian_key(architecture, packages)
    if (known := layer_cache.recall(folder, key)) and (layer := known.layer()):
        return Base(from_json(known.facts["interpreter"]), str(known.facts["python"]), (layer,))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        archive = Path(temporary, "root.tar")
        request = ImageRequest(facts.read(), mirror=mirror)
        options = ("--variant=extract", f"--architectures={architecture}")
        debian_image.debian_root(request, wanted, archive, options=options)
        with tarfile.open(archive) as packed:
            interpreter, python = _interpreter_in(packed, architecture)
        library = _compiled_library(archive, interpreter, Path(temporary))
        layer = from_tar(archive, folder, without=_LEFT_OUT, extra={**_CONFIGURED, **library})
    layer_cache.remember(folder, key, layer, interpreter=interpreter.to_json(), python=python)
    return Base(interpreter, python, (layer,))


def debian_key(architecture: str, packages: tuple[str, ...] = ()) -> str:
    """The key of such a base in the cache of layers."""
    wanted = dict.fromkeys((*PACKAGES, *packages))
    return f"base {_FORM} {debian_image.SUITE} {architecture} {' '.join(wanted)}"


def base_in(archive: Path) -> Base:
    """The archive of an image as a base; DeployError if it has no usable Python."""
    image = Archive(archive)
    architecture = str(image.config.get("architecture", "amd64"))
    found: list[tuple[Interpreter, str]] = []
    for layer in image.layers:
        with image.blob(layer) as file, tarfile.open(fileobj=file) as packed:
            try:
                found.append(_interpreter_in(packed, architecture))
            except DeployError:
                continue  # another layer may have it
    if not found:
        raise DeployError(f"{archive}: no layer has both Python 3 and a C library; name another base image")
    return Base(*found[-1], image.layers, archive)


def _interpreter_in(packed: tarfile.TarFile, architecture: str) -> tuple[Interpreter, str]:
    """The Python in a root file system and its path; found by file names, since it cannot run here."""
    python: tuple[int, str] | None = None
    libc: tuple[str, tuple[int, int]] | None = None
    for member in packed:
        name = member.name.removeprefix("./")
        if is_python := _PYTHON.fullmatch(name):
            python = (int(is_python[1]), f"/{name}")
        elif _MUSL.fullmatch(name):
            libc = libc or ("musl", (1, 2))
        elif _GLIBC.fullmatch(name) and member.isfile() and (file := packed.extractfile(member)):
            libc = _glibc(file) or libc
    if python is None or libc is None:
        raise DeployError("no Python 3, or no C library")
    minor, where = python
    machine = MACHINES.get(architecture, architecture)
    return Interpreter("cpython", (3, minor, 0), machine, *libc), where


def _glibc(file: IO[bytes]) -> tuple[str, tuple[int, int]] | None:
    """The version string inside a glibc."""
    version = _GLIBC_VERSION.search(file.read())
    return ("glibc", (int(version[1]), int(version[2]))) if version else None


def _compiled_library(archive: Path, interpreter: Interpreter, temporary: Path) -> dict[str, Content]:
    """Bytecode of the standard library by path in the image; empty if this host cannot compile it."""
    place = f"usr/lib/python{interpreter.short_version}"
    tree = temporary / "library"
    with tarfile.open(archive) as packed:
        for member in packed:
            name = member.name.removeprefix("./")
            if member.isfile() and name.startswith(f"{place}/") and name.endswith(".py"):
                target, source = tree / name.removeprefix(f"{place}/"), packed.extractfile(member)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read() if source else b"")
    if not compile_tree(tree, f"/{place}", interpreter):
        return {}
    return {f"/{place}/{path.relative_to(tree)}": path for path in sorted(tree.rglob("*.pyc"))}
