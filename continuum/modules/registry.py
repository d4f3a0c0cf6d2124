"""Finds the module folders beside the core, and loads only the one that is named.

A module is a folder with an ``__init__.py`` under ``infrastructure/``, ``resource_manager/``,
``execution_model/`` or ``application/``. Listing them reads folder names only. A
file ``aliases`` in the folder, one name a line, gives it further names.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from continuum.errors import UsageError
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.provider import Provider
from continuum.modules.resource_manager import ResourceManager
from continuum.options import nearest_first

ModuleKind = Literal["provider", "resource_manager", "execution_model", "application"]

#: Folder and base class of each kind of module.
KINDS: dict[ModuleKind, tuple[str, type[Module]]] = {
    "provider": ("infrastructure", Provider),
    "resource_manager": ("resource_manager", ResourceManager),
    "execution_model": ("execution_model", ExecutionModel),
    "application": ("application", Application),
}
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Found:
    """A module's folder, not loaded yet.

    Attributes:
        kind: what it is.
        name: the folder's name, which is the module's.
        folder: where it is.
        aliases: further names it is known by.
    """

    kind: ModuleKind
    name: str
    folder: Path
    aliases: tuple[str, ...] = ()

    def load(self) -> Module:
        """Import it; UsageError says what is wrong with it."""
        return _load(self.kind, self.name)


@cache
def _found(kind: ModuleKind) -> tuple[Found, ...]:
    parent = ROOT / KINDS[kind][0]
    if not parent.is_dir():
        return ()
    folders = sorted(entry.parent for entry in parent.glob("*/__init__.py"))
    return tuple(Found(kind, folder.name, folder, _aliases(folder)) for folder in folders)


def _aliases(folder: Path) -> tuple[str, ...]:
    try:
        lines = (folder / "aliases").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def found() -> tuple[Found, ...]:
    """Every module there is, kind by kind, without loading any."""
    return tuple(module for kind in KINDS for module in _found(kind))


def all_modules() -> tuple[tuple[ModuleKind, str, Module], ...]:
    """ModuleKind, name and object of every module that can be loaded; ``broken`` tells of the others."""
    modules = []
    for one in found():
        with suppress(UsageError):
            modules.append((one.kind, one.name, one.load()))
    return tuple(modules)


def broken() -> tuple[str, ...]:
    """What is wrong with the modules that cannot be loaded, one line each."""
    lines = []
    for one in found():
        try:
            one.load()
        except UsageError as error:
            lines.append(str(error))
    return tuple(lines)


def names(kind: str) -> tuple[str, ...]:
    """Names of the modules of one kind, in alphabetical order; aliases are not among them.

    Args:
        kind: ``provider`` or its folder's name ``infrastructure``, ``resource_manager``,
            ``execution_model``, ``application``.
    """
    return tuple(one.name for one in found() if kind in (one.kind, KINDS[one.kind][0]))


def canonical(kind: ModuleKind, name: str) -> str:
    """The name of the folder that ``name`` or one of its aliases stands for.

    Raises:
        UsageError: there is none; the message names those that exist, the nearest first.
    """
    for one in _found(kind):
        if name.lower() in (one.name, *one.aliases):
            return one.name
    raise UsageError(f"no such {kind.replace('_', ' ')}; {there_are(nearest_first(name, names(kind)))}")


def there_are(known: tuple[str, ...]) -> str:
    """The names that can be chosen, quoted: "none" is the name of a module, too."""
    return "there are: " + ", ".join(f'"{name}"' for name in known) if known else "there are none yet"


def load(kind: ModuleKind, name: str) -> Module:
    """The module of that kind and name or alias; UsageError when it is missing or broken."""
    return _load(kind, canonical(kind, name))


def provider(name: str) -> Provider:
    """The provider of that name; UsageError when it is missing or broken."""
    module = load("provider", name)
    assert isinstance(module, Provider)
    return module


def resource_manager(name: str) -> ResourceManager:
    """The resource manager of that name; UsageError when it is missing or broken."""
    module = load("resource_manager", name)
    assert isinstance(module, ResourceManager)
    return module


def execution_model(name: str) -> ExecutionModel:
    """The execution model of that name; UsageError when it is missing or broken."""
    module = load("execution_model", name)
    assert isinstance(module, ExecutionModel)
    return module


def application(name: str) -> Application:
    """The application of that name or alias; UsageError when it is missing or broken."""
    module = load("application", name)
    assert isinstance(module, Application)
    return module


@cache
def _load(kind: ModuleKind, name: str) -> Module:
    folder, base = KINDS[kind]
    module_class = _import_class(folder, name)
    if not (isinstance(module_class, type) and issubclass(module_class, base)):
        raise UsageError(f"{folder}/{name}/__init__.py: MODULE must be a subclass of {base.__name__}")
    try:
        return module_class()
    except TypeError as error:
        raise UsageError(f"{folder}/{name}: the class is unfinished: {error}") from error


def _import_class(folder: str, name: str) -> object:
    expected = ROOT / folder / name / "__init__.py"
    _check_place(folder, ROOT / folder / "__init__.py")
    try:
        loaded = importlib.import_module(f"{folder}.{name}")
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and missing.partition(".")[0] not in {folder, "continuum"}:
            raise UsageError(_missing_dependency(folder, name, missing.partition(".")[0])) from error
        raise UsageError(f"{expected}: cannot be loaded: {type(error).__name__}: {error}") from error
    if not hasattr(loaded, "MODULE"):
        raise UsageError(f"{expected}: no MODULE; write MODULE = <the module's class>")
    return loaded.MODULE


def _check_place(folder: str, expected: Path) -> None:
    """The names of the module packages are common ones: make sure that ours is loaded.

    A package of that name elsewhere on the path would otherwise be taken for ours without a word.
    """
    if folder not in sys.modules and str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    actual = Path(importlib.import_module(folder).__file__ or "namespace package").resolve()
    if actual != expected:
        raise UsageError(
            f"the Python package '{folder}' was loaded from {actual}, but Continuum's is {expected}; "
            "start Continuum from another folder or remove the other package from PYTHONPATH"
        )


def _missing_dependency(folder: str, name: str, missing: str) -> str:
    from_checkout = (ROOT / "pyproject.toml").is_file()
    package = str(ROOT) if from_checkout else "continuum-bench"
    extra = name.replace("_", "-")
    return (
        f"{folder}/{name} needs the Python package {missing}, which is not installed; "
        f'run: pip install "{package}[{extra}]"'
    )
