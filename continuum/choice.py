"""Which modules a config chooses: read before the rest, since they bring keys of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from continuum import registry
from continuum.core_options import CORE
from continuum.errors import Problem, UsageError
from continuum.ini import Document, Entry
from continuum.module import Application, Module, Provider, ResourceManager

_M = TypeVar("_M", bound=Module)


@dataclass
class Chosen:
    """The modules in use, as far as they exist.

    Attributes:
        provider: None when there is no such provider.
        resource_manager: None when there is none, or with ``infra_only``.
        application: None when there is none, or with ``infra_only`` or ``resource_manager_only``.
        application_name: the application's own name, whichever alias was written; as written when
            there is no such application.
        infra_only: whether only nodes and links are made.
        problems: modules that are named but do not exist or cannot be loaded.
    """

    provider: Provider | None = None
    resource_manager: ResourceManager | None = None
    application: Application | None = None
    application_name: str | None = None
    infra_only: bool = False
    resource_manager_only: bool = False
    problems: list[Problem] = field(default_factory=list)

    def modules(self) -> tuple[Module, ...]:
        """Those that are in use and exist."""
        every = (self.provider, self.resource_manager, self.application)
        return tuple(module for module in every if module is not None)


def choose(document: Document, file: str) -> Chosen:
    """Load the modules that a config names, and nothing else."""
    entries = {(entry.section, entry.key.lower()): entry for entry in document.entries}
    chosen = Chosen(
        infra_only=_is_true(entries.get(("infrastructure", "infra_only"))),
        resource_manager_only=_is_true(entries.get(("benchmark", "resource_manager_only"))),
    )

    def named(section: str, key: str, load: Callable[[str], _M], in_use: bool) -> _M | None:
        entry = entries.get((section, key))
        name = entry.value if entry and entry.value else CORE[section, key].default
        if not isinstance(name, str):
            return None
        try:
            return load(name) if in_use else None
        except UsageError as error:
            line = entry.line if entry else 0
            chosen.problems.append(Problem(str(error), file, line, section, key, name))
            return None

    benchmark = not chosen.infra_only and "benchmark" in document.sections
    chosen.provider = named("infrastructure", "provider", registry.provider, True)
    chosen.resource_manager = named("benchmark", "resource_manager", registry.resource_manager, benchmark)
    chosen.application = named(
        "benchmark",
        "application",
        registry.application,
        benchmark and not chosen.resource_manager_only,
    )
    entry = entries.get(("benchmark", "application"))
    chosen.application_name = _own_name(entry.value) if entry and entry.value else None
    return chosen


def _own_name(application: str) -> str:
    try:
        return registry.canonical("application", application)
    except UsageError:
        return application


def _is_true(entry: Entry | None) -> bool:
    """Whether a flag is set; one that makes no sense is reported where all values are read."""
    if entry is None or not entry.value:
        return False
    try:
        return CORE[entry.section, entry.key.lower()].kind.parse(entry.value) is True
    except ValueError:
        return False
