"""A cloud image such as distributions publish, made here: Debian's own cloud-init, netplan and GRUB, no more.

Nothing in it is of this project: it learns who it is from the seed's NoCloud files alone, by cloud-init. GRUB
is put where ``grub-install`` would put it, without a loop device.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

from continuum.host import facts
from continuum.software.debian_image import NODE_PACKAGES, ImageRequest, debian_root
from continuum.software.packages.store import cache_folder
from infrastructure.qemu import recipe

PACKAGES = (
    *NODE_PACKAGES,
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "systemd-sysv",
    "udev",
    "kmod",
    "zstd",
    "openssh-server",
    "cloud-init",
    "netplan.io",
    "grub-pc-bin",
)
_SECTOR_BYTES = 512
_FIRST_SECTOR = 2048
_SIZE_BYTES = 3 << 30
_TIMEOUT_S = 600
_GRUB = """\
linux /boot/vmlinuz root=LABEL=root ro console=ttyS0,115200
initrd /boot/initrd.img
boot
"""
_LOADER = (
    "grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /boot/grub/core.img"
    " biosdisk part_msdos ext2 linux normal configfile"
)
_BOOT = 'cd "$1"/boot && ln -s vmlinuz-* vmlinuz && ln -s initrd.img-* initrd.img'


def provide(folder: Path) -> Path:
    """The image's disk, built below a folder unless it is kept from the last time.

    Raises:
        ProvisionError: the packages are unavailable.
    """
    sources = (Path(__file__).read_text(encoding="utf-8"), recipe.fingerprint(), *PACKAGES)
    key = hashlib.sha256("\0".join(sources).encode()).hexdigest()[:12]
    kept = cache_folder() / "tests" / f"cloud-{key}.qcow2"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f".{kept.name}.{os.getpid()}")
        shutil.move(build(folder), unfinished)
        unfinished.replace(kept)
    return kept


def build(folder: Path) -> Path:
    """Make the image below a folder; returns its disk.

    Raises:
        ProvisionError: the packages are unavailable.
    """
    files = folder / "files"
    for path, text in recipe.BOOT_FILES.items():
        _write(files / "before" / path.lstrip("/"), text)
    _write(files / "after/boot/grub/grub.cfg", _GRUB)
    _write(files / "after/etc/fstab", "LABEL=root / ext4 rw 0 1\n")
    root = folder / "root.tar"
    debian_root(ImageRequest(facts.read()), PACKAGES, root, options=_options(files))
    tree = folder / "root"
    tree.mkdir()
    _run("tar", "-x", "--numeric-owner", "--exclude=./dev/*", "-f", str(root), "-C", str(tree))
    root.unlink()
    disk = folder / "disk.raw"
    _make_disk(disk, tree)
    made = folder / "cloud.qcow2"
    _run("qemu-img", "convert", "-O", "qcow2", str(disk), str(made))
    _run("rm", "-rf", str(tree), str(disk))
    return made


def _options(files: Path) -> list[str]:
    return [
        f'--essential-hook=cd {files}/before && tar -c . | tar -x -C "$1"',
        f'--customize-hook=cd {files}/after && tar -c . | tar -x -C "$1"',
        f"--customize-hook={_BOOT}",
        f'--customize-hook=chroot "$1" {_LOADER}',
        '--customize-hook=chroot "$1" systemctl enable --quiet systemd-networkd.service ssh.service',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf && : > "$1"/etc/machine-id',
    ]


def _make_disk(disk: Path, tree: Path) -> None:
    """One bootable partition with the tree, and before it what the firmware starts."""
    sectors = _SIZE_BYTES // _SECTOR_BYTES - _FIRST_SECTOR
    offset = f"offset={_FIRST_SECTOR * _SECTOR_BYTES},root_owner=0:0"
    with disk.open("wb") as file:
        file.truncate(_SIZE_BYTES)
    kib = str(sectors * _SECTOR_BYTES // 1024)
    _run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", offset, "-d", str(tree), str(disk), kib)
    first = (tree / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]
    entry = struct.pack("<B3xB3xII", 0x80, 0x83, _FIRST_SECTOR, sectors)
    with disk.open("r+b") as file:
        file.write(first.ljust(446, b"\0") + entry.ljust(64, b"\0") + b"\x55\xaa")
        file.write((tree / "boot/grub/core.img").read_bytes())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=_TIMEOUT_S)
