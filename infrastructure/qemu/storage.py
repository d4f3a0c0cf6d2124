"""Disks of guests in libvirt's storage pools: one of base images for all runs, and one for each run.

All files are written through libvirt: its daemon may be on another machine, and QEMU's account may not be
able to read this user's files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from continuum.host.files import locked
from infrastructure.qemu import libvirt_xml
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.image import Image, disk_format, store

SYSTEM_FOLDER = "/var/lib/libvirt/images"
_BLOCK = 1 << 18
_COMPLETE = "complete"


def pool_path(site: Site, name: str, directory: Path) -> str:
    """Folder of a run's pool: in the run's folder if the daemon is this user's session daemon here."""
    if site.machine.is_session and site.machine.is_local:
        return str(directory / "guests")
    return f"{_folder(site)}/{name}"


def _folder(site: Site) -> str:
    """Folder of images on a machine."""
    if not site.machine.is_session:
        return SYSTEM_FOLDER
    if site.machine.is_local:
        return str(store().parent / "libvirt")
    return f"{site.facts.home}/.local/share/libvirt/images"


def base_name() -> str:
    """Name of this user's pool of base images; no run has this name."""
    return f"continuum-base-{os.getuid()}"


def open_pool(hypervisor: Hypervisor, name: str, path: str) -> Any:
    """The pool of that name, which is created if it does not exist."""
    api = hypervisor.api
    with hypervisor.doing(f"{hypervisor.uri}: storage pool {name}"):
        known = {one.name(): one for one in api.listAllStoragePools()}
        found = known.get(name) or api.storagePoolDefineXML(libvirt_xml.pool(name, path))
        if not found.isActive():
            found.build()
            found.create()
        return found


def remove_pool(hypervisor: Hypervisor, name: str) -> None:
    """Delete a pool, its files and its folder; harmless if it does not exist."""
    with hypervisor.doing(f"{hypervisor.uri}: deleting storage pool {name}"), hypervisor.if_there():
        found = hypervisor.api.storagePoolLookupByName(name)
        if not found.isActive():
            with suppress(Exception):
                found.create()  # an inactive pool does not list its files
        if found.isActive():
            found.refresh()
            for volume in found.listAllVolumes():
                with hypervisor.if_there():
                    volume.delete()
            found.destroy()
            found.delete()
        found.undefine()


def upload(hypervisor: Hypervisor, pool: Any, name: str, data: bytes) -> str:
    """Write a small file; returns its path on the daemon's machine."""
    with hypervisor.doing(f"{hypervisor.uri}: writing {name}"):
        volume = pool.createXML(libvirt_xml.volume(name, len(data)))
        _send(hypervisor, volume, len(data), io.BytesIO(data))
        return str(volume.path())


def overlay(hypervisor: Hypervisor, pool: Any, name: str, base: Base) -> str:
    """Create a disk over a base image; returns its path."""
    with hypervisor.doing(f"{hypervisor.uri}: creating {name}"):
        text = libvirt_xml.volume(name, base.capacity_bytes, "qcow2", (base.disk, base.disk_format))
        return str(pool.createXML(text).path())


class Base:
    """A base image on a daemon's machine.

    Attributes:
        disk: path of its disk.
        disk_format: ``qcow2`` or ``raw``.
        capacity_bytes: size of the disk as guests see it.
        kernel: path of its kernel; empty if the disk has a boot loader.
        initrd: path of its initial RAM file system; empty if the disk has a boot loader.
    """

    def __init__(self, site: Site, image: Image) -> None:
        """Copy the image to the daemon's machine, unless it is there already."""
        hypervisor = site.hypervisor
        pool = open_pool(hypervisor, base_name(), f"{_folder(site)}/{base_name()}")
        self.disk_format = disk_format(image.disk)
        files = {f"{image.key}.{self.disk_format}": image.disk}
        if image.kernel and image.initrd:
            files |= {f"{image.key}.vmlinuz": image.kernel, f"{image.key}.initrd": image.initrd}
        with _alone(hypervisor.uri), hypervisor.doing(f"{hypervisor.uri}: copying the base image"):
            _copy(hypervisor, pool, image.key, files)
            disk, *boot = (pool.storageVolLookupByName(name) for name in files)
            self.disk, self.capacity_bytes = str(disk.path()), int(disk.info()[1])
            self.kernel, self.initrd = (str(one.path()) for one in boot) if boot else ("", "")


def _copy(hypervisor: Hypervisor, pool: Any, key: str, files: dict[str, Path]) -> None:
    """Copy the files that are missing; a last, empty file marks them as complete."""
    pool.refresh()
    there = {one.name(): one for one in pool.listAllVolumes()}
    if f"{key}.{_COMPLETE}" in there:
        return
    for name, path in files.items():
        if name in there:
            there[name].delete()
        size = path.stat().st_size
        volume = pool.createXML(libvirt_xml.volume(name, size))
        with path.open("rb") as file:
            _send(hypervisor, volume, size, file)
    pool.createXML(libvirt_xml.volume(f"{key}.{_COMPLETE}", 0))
    pool.refresh()  # lets libvirt detect the formats


def _send(hypervisor: Hypervisor, volume: Any, size: int, file: IO[bytes]) -> None:
    if not size:
        return
    stream = hypervisor.api.newStream(0)
    volume.upload(stream, 0, size)
    while block := file.read(_BLOCK):
        sent = 0
        while sent < len(block):
            sent += stream.send(block[sent:])
    stream.finish()


def read_file(hypervisor: Hypervisor, pool: Any, name: str) -> bytes:
    """Content of a file of a pool; empty if it does not exist."""
    chunks: list[bytes] = []
    with hypervisor.doing(f"{hypervisor.uri}: reading {name}"), hypervisor.if_there():
        pool.refresh()
        stream = hypervisor.api.newStream(0)
        pool.storageVolLookupByName(name).download(stream, 0, 0)
        while block := stream.recv(_BLOCK):
            chunks.append(block)
        stream.finish()
    return b"".join(chunks)


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let one process of this user at a time copy to a daemon."""
    parts = urlsplit(uri)
    folder = store()
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in f"{parts.scheme}{parts.netloc}{parts.path}")
    with locked(folder / f".{name}.lock"):
        yield
