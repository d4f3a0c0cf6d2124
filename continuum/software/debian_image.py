"""Base images for nodes, made from Debian packages: no image host and no registry is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from continuum.errors import HostError, ProvisionError
from continuum.host import run_command
from continuum.host.facts import Host

SUITE = "bookworm"
"""Release of Debian that images are made of, unless told otherwise; its Python is 3.11."""

PYTHON, GLIBC = (3, 11), (2, 36)
"""Versions of Python and of the C library in that release."""

BUILD_TIMEOUT_S = 1800
NODE_PACKAGES = ("python3", "iproute2", "iputils-ping", "procps")
"""What every node should have: Python, and what one looks at a network with."""

# Nobody reads manuals on a node.
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class ImageRequest:
    """What ``continuum image build`` was asked for.

    Attributes:
        host: this machine.
        name: name or path of the image; None for the one the provider's nodes are made from by default.
        suite: release of Debian.
        mirror: where its packages come from; None for Debian's own.
        packages: further packages.
        say: told what is being done, for a user who waits.
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
    """Make the root file system of a Debian with these packages, by mmdebstrap.

    Args:
        request: suite, mirror and further packages.
        packages: what it shall hold besides the essential ones.
        to: the archive to write; its ending says the format, as in ``root.tar``.
        options: further ones for mmdebstrap.

    Raises:
        HostError: mmdebstrap is missing.
        ProvisionError: it fails; the end of what it said is in the error.
    """
    program = request.host.find_command("mmdebstrap")
    if program is None:
        raise HostError(
            "images are made with mmdebstrap, which is missing; run: sudo apt-get install mmdebstrap"
        )
    command = debian_command(str(program), request, packages, to, options)
    request.say(" ".join(command))
    run_command.run(command, "the image cannot be made", ProvisionError, timeout_s=BUILD_TIMEOUT_S)


def debian_command(
    program: str, request: ImageRequest, packages: Sequence[str], to: Path, options: Sequence[str] = ()
) -> list[str]:
    """The command that makes it; pure."""
    wanted = ",".join(dict.fromkeys((*packages, *request.packages)))
    excluded = [f"--dpkgopt=path-exclude={path}" for path in _EXCLUDED]
    command = [program, "--variant=minbase", f"--include={wanted}", *excluded, *options]
    return [*command, request.suite, str(to), *([request.mirror] if request.mirror else [])]
