"""What the base image for guests is made of: packages, settings, and the unit that reads the seed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.images import NODE_PACKAGES

PACKAGES = (
    *NODE_PACKAGES,
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "systemd-sysv",
    "udev",
    "kmod",
    "openssh-server",
    "python3-venv",
    "ca-certificates",
    "zstd",
)
LABEL = "cidata"
"""Label of the seed's file system, as NoCloud wants it."""

SCRIPT = "node.sh"
"""File of the seed that a guest of this image runs at its first breath."""

_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "systemd-pstore.service",
    "systemd-networkd-wait-online.service",
)

FILES: Mapping[str, str] = {
    "/etc/systemd/system/continuum-seed.service": f"""\
[Unit]
Description=Name, address and keys of this guest from its seed
DefaultDependencies=no
After=local-fs.target systemd-udevd.service
Before=network-pre.target ssh.service sysinit.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'mkdir -p /run/seed && \\
 for i in $(seq 300); do [ -e /dev/disk/by-label/{LABEL} ] && break; sleep 0.1; done; \\
 mount -o ro /dev/disk/by-label/{LABEL} /run/seed && sh -e /run/seed/{SCRIPT}; s=$?; \\
 umount /run/seed; exit $s'
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=sysinit.target
""",
    "/etc/ssh/sshd_config.d/continuum.conf": """\
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
UsePAM no
PrintMotd no
MaxSessions 500
MaxStartups 100:30:500
HostKey /etc/ssh/ssh_host_ed25519_key
""",
    "/etc/systemd/journald.conf.d/continuum.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n",
    "/etc/modules-load.d/continuum.conf": "sch_netem\nsch_htb\ncls_u32\n",
    "/etc/fstab": "/dev/vda / ext4 rw,noatime 0 0\n",
}
"""Files of the image, by path."""

BOOT_FILES: Mapping[str, str] = {
    "/etc/initramfs-tools/conf.d/continuum": "MODULES=list\nCOMPRESS=zstd\n",
    "/usr/share/initramfs-tools/modules.d/continuum": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
}
"""Files that must be there before the kernel's package is installed, by path."""


def options(folder: Path) -> list[str]:
    """Options of mmdebstrap that put the image's files in place and switch its services.

    Args:
        folder: where ``write_files`` put the files.
    """
    return [
        f'--essential-hook=cd {folder}/before && tar -c . | tar -x -C "$1"',
        f'--customize-hook=cd {folder}/after && tar -c . | tar -x -C "$1"',
        f'--customize-hook=chroot "$1" systemctl mask --quiet {" ".join(_MASKED)}',
        '--customize-hook=chroot "$1" systemctl enable --quiet continuum-seed.service ssh.service',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf && : > "$1"/etc/machine-id',
    ]


def write_files(folder: Path) -> None:
    """Lay out the image's files below ``before`` and ``after`` of a folder."""
    for name, files in (("before", BOOT_FILES), ("after", FILES)):
        for path, text in files.items():
            place = folder / name / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            place.chmod(0o644)


def fingerprint() -> str:
    """The same for the same recipe: tells whether an image is out of date."""
    parts: Sequence[object] = (PACKAGES, _MASKED, sorted(FILES.items()), sorted(BOOT_FILES.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
