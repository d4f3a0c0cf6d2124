"""Contents of the base image for guests: packages, settings, and the unit that reads the seed; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from continuum.software.debian_image import NODE_PACKAGES

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
"""Label of the seed's file system, as NoCloud requires."""

SCRIPT = "node.sh"
"""File of the seed that a guest of this image runs early in the boot."""

_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "dev-hugepages.mount",
    "getty-static.service",
    "getty@tty1.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-initctl.socket",
    "systemd-journald-audit.socket",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-remount-fs.service",
    "systemd-sysusers.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)
"""Units that are useless on a node.

A TCG-emulated guest takes a third of a second or more for each. Without these units, the generators below and
most drivers, it boots in about 60 % of the time.
"""

_GENERATORS = (
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-system-update-generator",
    "systemd-veritysetup-generator",
)
"""Programs of systemd that look for disks, terminals and scripts, which this image does not have."""

_COLD = ("block", "net", "pci", "virtio")
"""Subsystems whose drivers a guest loads while it boots; other drivers are loaded on demand."""

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
    "/etc/systemd/system/systemd-udev-trigger.service.d/continuum.conf": f"""\
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add {" ".join(f"--subsystem-match={name}" for name in _COLD)}
""",
    "/etc/modules-load.d/continuum.conf": "sch_netem\nsch_htb\ncls_u32\n",
    "/etc/fstab": "# the root file system is mounted by the kernel's command line\n",
}
"""Files of the image, by path."""

BOOT_FILES: Mapping[str, str] = {
    "/etc/initramfs-tools/conf.d/continuum": "MODULES=list\nCOMPRESS=zstd\n",
    "/usr/share/initramfs-tools/modules.d/continuum": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
}
"""Files that must exist before the kernel's package is installed, by path."""


def options(folder: Path) -> list[str]:
    """Options of mmdebstrap that install the image's files and enable or mask services.

    Args:
        folder: the folder that ``write_files`` filled.
    """
    generators = 'mkdir -p "$1"/etc/systemd/system-generators && cd "$1"/etc/systemd/system-generators'
    unused = f"{generators} && for name in {' '.join(_GENERATORS)}; do ln -s /dev/null $name; done"
    return [
        f'--essential-hook=cd {folder}/before && tar -c . | tar -x -C "$1"',
        f'--customize-hook=cd {folder}/after && tar -c . | tar -x -C "$1"',
        f"--customize-hook={unused}",
        f'--customize-hook=chroot "$1" systemctl mask --quiet {" ".join(_MASKED)}',
        '--customize-hook=chroot "$1" systemctl enable --quiet continuum-seed.service ssh.service',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf && : > "$1"/etc/machine-id',
    ]


def write_files(folder: Path) -> None:
    """Write the image's files below ``before`` and ``after`` in a folder."""
    for name, files in (("before", BOOT_FILES), ("after", FILES)):
        for path, text in files.items():
            place = folder / name / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            place.chmod(0o644)


def fingerprint() -> str:
    """Identifies this recipe, so that an image that is out of date is not used."""
    files = (sorted(FILES.items()), sorted(BOOT_FILES.items()))
    parts: Sequence[object] = (PACKAGES, _MASKED, _GENERATORS, *files)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
