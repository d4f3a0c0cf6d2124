"""The four things that can be added: a provider, a resource manager, an execution model, an application.

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
    """One thing ``continuum doctor`` looked at.

    Attributes:
        name: what was looked at, in a few words.
        ok: whether it is there.
        detail: what was found.
        remedy: the exact command that mends the lack; empty when there is none.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Module(ABC):
    """What providers, resource managers and applications have in common.

    Attributes:
        summary: one line for ``continuum modules``.
        options: the keys it reads, each with its section.
    """

    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def check(self, config: Config) -> Iterable[Problem]:
        """What in the config cannot work; pure, without a look at the host."""
        return ()

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host lacks for this config; reads only."""
        return ()

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this module could do on this host; reads only."""
        return ()

    def artifacts(self, config: Config) -> tuple[Artifact, ...]:
        """The files it installs on nodes for a config; pure. See ``continuum.software.artifacts``."""
        return ()

    def packages(self, config: Config) -> tuple[str, ...]:
        """The Debian packages it installs on nodes for a config; pure."""
        return ()
