"""Selects the modules that a config names; done first, since modules declare keys of their own."""

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
from continuum.modules.registry import ModuleKind
from continuum.modules.resource_manager import ResourceManager

_M = TypeVar("_M", bound=Module)


@dataclass
class SelectedModules:
    """The modules that a config uses.

    Attributes:
        provider: None if the named one does not exist.
        resource_manager: None if the named one does not exist, or with ``infra_only``.
        execution_model: None if none is named or it does not exist, or with ``infra_only``.
        application: None if none is named or it does not exist, or with ``infra_only`` or
            ``resource_manager_only``.
        names: canonical name of each module by section and key, aliases resolved; the name as written if no
            such module exists.
        infra_only: whether only nodes and links are created; None if the flag is not a valid value.
        resource_manager_only: whether no application runs; None if the flag is not a valid value.
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
        """The modules in use that exist."""
        every = (self.provider, self.resource_manager, self.execution_model, self.application)
        return tuple(module for module in every if module is not None)


def select(document: Document, file: str) -> SelectedModules:
    """Load the modules that a config names, and nothing else."""
    selector = _Selector(document, file)
    return selector.select()


class _Selector:
    """Reads the entries that decide which modules are in use."""

    def __init__(self, document: Document, file: str) -> None:
        self._entries = {(entry.section, entry.key.lower()): entry for entry in document.entries}
        self._has_benchmark = "benchmark" in document.sections
        self._file = file
        self._selected = SelectedModules()

    def select(self) -> SelectedModules:
        selected = self._selected
        selected.infra_only = self._flag("infrastructure", "infra_only")
        selected.resource_manager_only = self._flag("benchmark", "resource_manager_only")
        managed = self._has_benchmark and not selected.infra_only
        applied = managed and not selected.resource_manager_only
        selected.provider = self._module("infrastructure", "provider", registry.provider, True)
        selected.resource_manager = self._module(
            "benchmark", "resource_manager", registry.resource_manager, managed
        )
        selected.execution_model = self._module(
            "execution_model", "execution_model", registry.execution_model, managed, key="model"
        )
        selected.application = self._module("benchmark", "application", registry.application, applied)
        return selected

    def _module(
        self, section: str, kind: ModuleKind, load: Callable[[str], _M], in_use: bool, key: str = ""
    ) -> _M | None:
        key = key or kind
        entry = self._entries.get((section, key))
        name = entry.value if entry and entry.value else CORE[section, key].default
        if not isinstance(name, str):
            return None
        self._selected.names[section, key] = name
        try:
            self._selected.names[section, key] = registry.canonical(kind, name)
            return load(name) if in_use else None
        except UsageError as error:
            if in_use:
                line = entry.line if entry else 0
                self._selected.problems.append(Problem(str(error), self._file, line, section, key, name))
            return None

    def _flag(self, section: str, key: str) -> bool | None:
        """Value of a flag; None if it is not valid, which is reported elsewhere."""
        entry = self._entries.get((section, key))
        if entry is None or not entry.value:
            return False
        try:
            return CORE[section, key].value_type.parse(entry.value) is True
        except ValueError:
            return None
