"""Which modules a config chooses: read before the rest, since they bring keys of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from continuum.config.core_options import CORE
from continuum.config.ini import Document
from continuum.errors import Problem, UsageError
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.provider import Provider
from continuum.modules.registry import Kind
from continuum.modules.resource_manager import ResourceManager

_M = TypeVar("_M", bound=Module)


@dataclass
class Chosen:
    """The modules in use, as far as they exist.

    Attributes:
        provider: None when there is no such provider.
        resource_manager: None when there is none, or with ``infra_only``.
        execution_model: None when there is none, or with ``infra_only``.
        application: None when there is none, or with ``infra_only`` or ``resource_manager_only``.
        names: the chosen modules' own names by section and key, whichever alias was written; as
            written where there is no such module.
        infra_only: whether only nodes and links are made; None when the flag makes no sense.
        resource_manager_only: whether no application runs; None when the flag makes no sense.
        problems: modules that are named but do not exist or cannot be loaded.
    """

    provider: Provider | None = None
    resource_manager: ResourceManager | None = None
    execution_model: ExecutionModel | None = None
    application: Application | None = None
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    infra_only: bool | None = False
    resource_manager_only: bool | None = False
    problems: list[Problem] = field(default_factory=list)

    def modules(self) -> tuple[Module, ...]:
        """Those that are in use and exist."""
        every = (self.provider, self.resource_manager, self.execution_model, self.application)
        return tuple(module for module in every if module is not None)


def choose(document: Document, file: str) -> Chosen:
    """Load the modules that a config names, and nothing else."""
    chooser = _Chooser(document, file)
    return chooser.choose()


class _Chooser:
    """Reads the few entries that decide which modules are in use."""

    def __init__(self, document: Document, file: str) -> None:
        self._entries = {(entry.section, entry.key.lower()): entry for entry in document.entries}
        self._has_benchmark = "benchmark" in document.sections
        self._file = file
        self._chosen = Chosen()

    def choose(self) -> Chosen:
        chosen = self._chosen
        chosen.infra_only = self._flag("infrastructure", "infra_only")
        chosen.resource_manager_only = self._flag("benchmark", "resource_manager_only")
        managed = self._has_benchmark and not chosen.infra_only
        applied = managed and not chosen.resource_manager_only
        chosen.provider = self._module("infrastructure", "provider", registry.provider, True)
        chosen.resource_manager = self._module(
            "benchmark", "resource_manager", registry.resource_manager, managed
        )
        chosen.execution_model = self._module(
            "execution_model", "execution_model", registry.execution_model, managed, key="model"
        )
        chosen.application = self._module("benchmark", "application", registry.application, applied)
        return chosen

    def _module(
        self, section: str, kind: Kind, load: Callable[[str], _M], in_use: bool, key: str = ""
    ) -> _M | None:
        key = key or kind
        entry = self._entries.get((section, key))
        name = entry.value if entry and entry.value else CORE[section, key].default
        if not isinstance(name, str):
            return None
        self._chosen.names[section, key] = name
        try:
            self._chosen.names[section, key] = registry.canonical(kind, name)
            return load(name) if in_use else None
        except UsageError as error:
            if in_use:
                line = entry.line if entry else 0
                self._chosen.problems.append(Problem(str(error), self._file, line, section, key, name))
            return None

    def _flag(self, section: str, key: str) -> bool | None:
        """Whether a flag is set; None for one that makes no sense, which is reported elsewhere."""
        entry = self._entries.get((section, key))
        if entry is None or not entry.value:
            return False
        try:
            return CORE[section, key].kind.parse(entry.value) is True
        except ValueError:
            return None
