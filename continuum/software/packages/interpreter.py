"""Describes a Python interpreter: the wheels it accepts, and whether a package runs on it; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from continuum.errors import DeployError

MINIMUM = (3, 10)
"""Oldest Python that this project supports."""

_GLIBC_OF_UV = (17, *range(27, 41))
"""Minor versions of glibc that uv has a platform for; the major version is 2."""

PROBE = """\
import json, platform, sys
libc, version = platform.libc_ver()
try:
    import os
    if not libc:
        libc, version = os.confstr("CS_GNU_LIBC_VERSION").split()
except (AttributeError, OSError, ValueError):
    libc, version = "musl", "1.2"
print(json.dumps({
    "implementation": sys.implementation.name, "version": list(sys.version_info[:3]),
    "machine": platform.machine(), "libc": libc, "libc_version": version,
}))
"""
"""Program for any Python 3 that prints the input of ``parse``."""


@dataclass(frozen=True)
class Interpreter:
    """The properties of a Python interpreter that wheels depend on.

    Attributes:
        implementation: name of the implementation, as in ``cpython``.
        version: major, minor and micro version.
        machine: hardware architecture, as in ``x86_64``.
        libc: ``glibc`` or ``musl``.
        libc_version: major and minor version of the C library.
    """

    implementation: str
    version: tuple[int, int, int]
    machine: str
    libc: str
    libc_version: tuple[int, int]

    def __str__(self) -> str:
        name = "CPython" if self.implementation == "cpython" else self.implementation
        python = f"{self.version[0]}.{self.version[1]}"
        return f"{name} {python} ({self.machine}, {self.libc} {_dotted(self.libc_version)})"

    @property
    def short_version(self) -> str:
        """Major and minor version, as in ``3.11``."""
        return _dotted(self.version[:2])

    @property
    def key(self) -> str:
        """An identifier shared by interpreters that accept the same wheels; usable in file names."""
        libc = f"{self.libc}{_dotted(self.libc_version)}"
        return f"{self.implementation}{self.short_version}-{libc}-{self.machine}"

    def platforms(self) -> Iterator[str]:
        """Platform tags of the wheels that it accepts, in order of preference (PEP 600 and PEP 656)."""
        major, minor = self.libc_version
        if self.libc == "musl":
            yield from (f"musllinux_{major}_{least}_{self.machine}" for least in range(minor, -1, -1))
        else:
            minor = self._glibc_minor()
            yield from (f"manylinux_{major}_{least}_{self.machine}" for least in range(minor, 4, -1))
            old = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
            yield from (f"{name}_{self.machine}" for name, least in old.items() if minor >= least)
        yield f"linux_{self.machine}"

    def uv_platform(self) -> str:
        """The platform as uv's ``--python-platform`` names it."""
        if self.libc == "musl":
            return f"{self.machine}-unknown-linux-musl"
        return f"{self.machine}-manylinux_2_{self._glibc_minor()}"

    def _glibc_minor(self) -> int:
        """The minor version of the newest glibc that both uv and the node support."""
        return max((known for known in _GLIBC_OF_UV if known <= self.libc_version[1]), default=17)

    def to_json(self) -> dict[str, Any]:
        """Its form in a manifest; the inverse of ``from_json``."""
        return {
            **vars(self),
            "version": list(self.version),
            "libc_version": _dotted(self.libc_version),
        }


def parse(text: str) -> Interpreter:
    """The interpreter described by the output of ``PROBE``; ValueError if that is malformed."""
    try:
        data = json.loads(text.strip().splitlines()[-1])
        return from_json(data)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"unexpected output of the Python probe: {text!r}") from error


def from_json(data: dict[str, Any]) -> Interpreter:
    """The inverse of ``Interpreter.to_json``."""
    major, minor, micro = (int(part) for part in data["version"])
    libc = [int(part) for part in str(data["libc_version"]).split(".")[:2]]
    return Interpreter(
        implementation=str(data["implementation"]),
        version=(major, minor, micro),
        machine=str(data["machine"]),
        libc=str(data["libc"]),
        libc_version=(libc[0], libc[1] if len(libc) > 1 else 0),
    )


def refuse_old(node: str, found: Interpreter) -> None:
    """DeployError if a node's Python is older than ``MINIMUM``."""
    if found.version[:2] < MINIMUM:
        raise DeployError(
            f"{node} has {found}, but workloads require Python {_dotted(MINIMUM)} or newer;"
            " use an image with a newer one"
        )


def refuse_mismatch(node: str, built_for: Interpreter, found: Interpreter) -> None:
    """DeployError if a package built for one interpreter does not run on another; names both."""
    same = (
        built_for.implementation == found.implementation
        and built_for.version[:2] == found.version[:2]
        and built_for.machine == found.machine
        and built_for.libc == found.libc
    )
    if not same or built_for.libc_version > found.libc_version:
        raise DeployError(f"{node} has {found}, but the package was built for {built_for}; build it again")


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)
