"""Base images for nodes, built from Debian packages without an image host or a registry."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from continuum.errors import HostError, ProvisionError
from continuum.host import run_command
from continuum.host.facts import Host

SUITE = "bookworm"
"""Default Debian release of images; its Python is 3.11."""

PYTHON, GLIBC = (3, 11), (2, 36)
"""Versions of Python and of the C library in that release."""

BUILD_TIMEOUT_S = 1800
NODE_PACKAGES = ("python3", "iproute2", "iputils-ping", "procps")
"""Packages of every node: Python and basic network tools."""

# For root, mmdebstrap mounts file systems in the namespace it is started in, where they would outlive a kill.
_OWN_MOUNTS = () if os.geteuid() else ("unshare", "--mount", "--propagation=private", "--")
# Documentation is not needed on a node.
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class ImageRequest:
    """The arguments of ``continuum image build``.

    Attributes:
        host: this machine.
        name: name or path of the image; None for the provider's default image.
        suite: Debian release.
        mirror: address of a mirror of Debian packages; None for Debian's default.
        packages: additional packages.
        say: receives a line of text for each step, to show progress.
    """

    host: Host
    name: str | None = None
    suite: str = SUITE
    mirror: str | None = None
    packages: tuple[str, ...] = ()
    say: Callable[[str], None] = field(default=lambda _text: None)


def debian_root(
    request: ImageRequest, packages: Sequence[str], to: Path, *, options: Sequence[str] = ()
) -> None:
    """Build a Debian root file system with mmdebstrap.

    Args:
        request: suite, mirror and additional packages.
        packages: packages to install besides the essential ones.
        to: the archive to write; its suffix selects the format, as in ``root.tar``.
        options: additional options of mmdebstrap.

    Raises:
        HostError: mmdebstrap is missing.
        ProvisionError: mmdebstrap fails; the message ends with the last lines of its output.
    """
    program = request.host.find_command("mmdebstrap")
    if program is None:
        raise HostError(
            "mmdebstrap, which builds images, is not installed; run: sudo apt-get install mmdebstrap"
        )
    command = [*_OWN_MOUNTS, *debian_command(str(program), request, packages, to, options)]
    request.say(" ".join(command))
    run_command.run(command, "the image cannot be built", ProvisionError, timeout_s=BUILD_TIMEOUT_S)


def debian_command(
    program: str, request: ImageRequest, packages: Sequence[str], to: Path, options: Sequence[str] = ()
) -> list[str]:
    """The mmdebstrap command of ``debian_root``; pure."""
    wanted = ",".join(dict.fromkeys((*packages, *request.packages)))
    excluded = [f"--dpkgopt=path-exclude={path}" for path in _EXCLUDED]
    command = [program, "--variant=minbase", f"--include={wanted}", *excluded, *options]
    return [*command, request.suite, str(to), *([request.mirror] if request.mirror else [])]
