"""What every module has in common: providers, resource managers, execution models and applications.

A module is one folder under ``infrastructure/``, ``resource_manager/``, ``execution_model/`` or
``application/``, whose ``__init__.py`` names its class as ``MODULE``. The core finds it by the folder's name.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from continuum.errors import Problem

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.options import Option
    from continuum.software.artifacts import Artifact


@dataclass(frozen=True)
class Finding:
    """Outcome of one check of ``continuum doctor``.

    Attributes:
        name: what was checked.
        ok: whether the check passed.
        detail: what was found.
        remedy: the command that fixes a failed check; empty if there is none.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Module(ABC):
    """Base of providers, resource managers, execution models and applications.

    One instance serves every run of the process, so it must not keep anything that belongs to one run.

    Attributes:
        summary: one line for ``continuum modules``.
        options: the keys it reads, each with its section.
        reported_packages: Python packages of this host whose versions are part of the result.
    """

    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    reported_packages: ClassVar[tuple[str, ...]] = ()

    def check(self, config: Config) -> Iterable[Problem]:
        """Problems of the config that this module can see without looking at the host; pure."""
        return ()

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """Requirements of this config that the host does not meet; changes nothing."""
        return ()

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Checks for ``continuum doctor``: what this module can do on this host; changes nothing."""
        return ()

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """Files that it installs on nodes for this config; pure. See ``continuum.software.artifacts``."""
        return ()

    def packages(self, config: Config) -> tuple[str, ...]:
        """Debian packages that it installs on nodes for this config; pure."""
        return ()
