"""Base images: finds the one that a config names, builds Continuum's own from Debian packages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import HostError, ProvisionError
from continuum.host import run_command
from continuum.host.files import sha256_of
from continuum.software.debian_image import BUILD_TIMEOUT_S, ImageRequest, debian_root
from infrastructure.qemu import recipe
from infrastructure.qemu.image_download import fetch

DISK, KERNEL, INITRD, MANIFEST = "disk.qcow2", "vmlinuz", "initrd.img", "image.json"
PARTS = (DISK, KERNEL, INITRD)
_DISK_SIZE = "8G"
_LAZY = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"(\xb5/\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "tar": "tar",
}


@dataclass(frozen=True)
class Image:
    """A base image on this host.

    Attributes:
        disk: the qcow2 or raw disk.
        kernel: kernel to boot directly; None if the disk has a boot loader.
        initrd: initial RAM file system of the kernel; None if the disk has a boot loader.
        key: identifies the content; part of file names.
    """

    disk: Path
    kernel: Path | None
    initrd: Path | None
    key: str

    @property
    def is_own(self) -> bool:
        """Whether Continuum built it: booted directly, and configured without cloud-init."""
        return self.kernel is not None


def store() -> Path:
    """Folder of this user's images."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "continuum" / "images" / "qemu"


def own_image() -> Path:
    """Folder of the image that ``build`` makes, existing or not."""
    return store() / f"debian-{recipe.fingerprint()}"


def find(name: str, sha256: str | None) -> Image:
    """The image that a config names; HostError with the remedy if it is unavailable.

    Args:
        name: a path, or the URL of a disk image; empty for Continuum's own image.
        sha256: expected checksum, in hexadecimal; required for a URL.
    """
    if not name:
        return _own(
            own_image(), "the base image is missing; build it with: continuum image build --provider qemu"
        )
    if "://" in name:
        return _plain(fetch(name, sha256 or "", store() / "fetched"), None)  # verified after the download
    path = Path(name).expanduser().absolute()
    if path.is_dir():
        return _own(path, f"{path}: not an image, since it does not have {', '.join(PARTS)}")
    return _plain(path, sha256)


def is_there(name: str) -> bool:
    """Whether an image is on this host or can be downloaded; downloads nothing."""
    if not name:
        return is_own(own_image())
    return "://" in name or Path(name).expanduser().exists()


def is_own(folder: Path) -> bool:
    """Whether a folder contains an image that Continuum built."""
    return all((folder / part).is_file() for part in PARTS)


def _own(folder: Path, missing: str) -> Image:
    if not is_own(folder):
        raise HostError(missing)
    return Image(folder / DISK, folder / KERNEL, folder / INITRD, _key(folder / DISK))


def _plain(path: Path, sha256: str | None) -> Image:
    if not path.is_file():
        raise HostError(f"qemu_image: no such file: {path}; write the path of a disk image")
    if sha256 and sha256_of(path) != sha256.lower():
        raise HostError(f"qemu_image: {path} does not have the checksum qemu_image_sha256; download it again")
    if packed := _packing(path):
        raise HostError(
            f"qemu_image: {path} is compressed ({packed}); unpack it and write the path of the disk"
        )
    return Image(path, None, None, _key(path))


def _packing(path: Path) -> str:
    """The compression of a file; empty if it is not compressed."""
    with path.open("rb") as file:
        head = file.read(6)
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")


def _key(path: Path) -> str:
    """Identifies the content without reading gigabytes; images are never changed in place."""
    found = path.stat()
    text = f"{path.absolute()} {found.st_size} {found.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(request: ImageRequest) -> Path:
    """Build Continuum's own image from Debian packages; returns its folder.

    Raises:
        HostError: a program is missing.
        ProvisionError: a step of the build fails.
    """
    missing = [package for program, package in _NEEDED.items() if not request.host.find_command(program)]
    if missing:
        raise HostError(
            f"building an image requires more programs; run: sudo apt-get install {' '.join(missing)}"
        )
    target = Path(request.name).expanduser().absolute() if request.name else own_image()
    if target.exists() and not is_own(target) and (not target.is_dir() or any(target.iterdir())):
        raise HostError(f"{target} exists and is not an image; choose another --name")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as name:
        work = Path(name)
        recipe.write_files(work / "files")
        archive = work / "root.tar"
        debian_root(request, recipe.PACKAGES, archive, options=recipe.options(work / "files"))
        request.say("creating the disk")
        made = work / "image"
        made.mkdir()
        _disk(work)
        about = {"suite": request.suite, "packages": [*recipe.PACKAGES, *request.packages]}
        (made / MANIFEST).write_text(json.dumps(about) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target


def _disk(work: Path) -> None:
    """Create kernel, initial RAM file system and disk from the archive, in one user namespace."""
    script = f"""
        set -e
        mkdir root
        tar -x --numeric-owner --exclude='./dev/*' -f root.tar -C root
        rm root.tar
        cp -L root/boot/vmlinuz-* image/{KERNEL}
        cp -L root/boot/initrd.img-* image/{INITRD}
        rm -f root/boot/vmlinuz-* root/boot/initrd.img-*
        mke2fs -q -t ext4 -L root -m 0 -E {_LAZY} -d root disk.raw {_DISK_SIZE}
        rm -rf root
        qemu-img convert -O qcow2 disk.raw image/{DISK}
        chmod 644 image/*
    """
    inside = [] if os.geteuid() == 0 else ["unshare", "--map-auto", "--map-root-user", "--"]
    _run([*inside, "sh", "-c", script], cwd=work)


def _run(argv: list[str], cwd: Path) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    failure, env = "cannot create the disk", {**os.environ, "PATH": path}
    run_command.run(argv, failure, ProvisionError, timeout_s=BUILD_TIMEOUT_S, env=env, cwd=cwd)


def disk_format(disk: Path) -> str:
    """``qcow2`` or ``raw``, by the file's first bytes."""
    with disk.open("rb") as file:
        return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"
