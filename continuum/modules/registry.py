"""Finds modules: folders beside the core, and packages that other distributions announce as entry points.

A module is a Python package whose ``__init__.py`` names its class as ``MODULE``:

- a folder under ``infrastructure/``, ``resource_manager/``, ``execution_model/`` or ``application/``; the
  name of the folder is the module's, or
- a package of an installed distribution with an entry point in one of the groups ``continuum.providers``,
  ``continuum.resource_managers``, ``continuum.execution_models``, ``continuum.applications``. The name of the
  entry point is the module's, its value is the package, as in ``shed = "continuum_shed"``.

Listing modules imports none of them. A file ``aliases`` in the package, one name a line, adds names.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from continuum.errors import UsageError
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.execution_model import ExecutionModel
from continuum.modules.provider import Provider
from continuum.modules.resource_manager import ResourceManager
from continuum.options import nearest_first
from continuum.software.packages import extras

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints, SelectableGroups

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
    """A module that was found, not imported yet.

    Attributes:
        kind: what it is.
        name: its name in config files.
        folder: where its files are.
        package: the Python package to import.
        aliases: further names in config files.
        distribution: name and version of the distribution that announces it; empty for a folder of Continuum.
    """

    kind: ModuleKind
    name: str
    folder: Path
    package: str
    aliases: tuple[str, ...] = ()
    distribution: str = ""

    def load(self) -> Module:
        """Import it and return the module; the same object every time.

        Raises:
            UsageError: it cannot be imported, has no MODULE, or shares its name with another module.
        """
        _refuse_clash(self.kind, self.name)
        return _load(self)

    def __str__(self) -> str:
        """Where it comes from, for messages."""
        place = self.package.replace(".", "/")
        return f"{place} of {self.distribution}" if self.distribution else place


@cache
def _found(kind: ModuleKind) -> tuple[Found, ...]:
    return (*_in_tree(kind), *_announced(kind))


def _in_tree(kind: ModuleKind) -> tuple[Found, ...]:
    parent = ROOT / KINDS[kind][0]
    if not parent.is_dir():
        return ()
    folders = sorted(entry.parent for entry in parent.glob("*/__init__.py"))
    return tuple(
        Found(kind, folder.name, folder, f"{parent.name}.{folder.name}", _aliases(folder))
        for folder in folders
    )


def _announced(kind: ModuleKind) -> tuple[Found, ...]:
    """Modules that distributions announce as entry points."""
    made = []
    for point in sorted(_entry_points().select(group=f"continuum.{kind}s"), key=lambda point: point.name):
        folder = _folder_of(point.module)
        made.append(Found(kind, point.name, folder, point.module, _aliases(folder), _distribution(point)))
    return tuple(made)


@cache
def _entry_points() -> EntryPoints | SelectableGroups:
    """Those of every distribution: reading them takes a while, so all kinds share one look."""
    from importlib import metadata

    return metadata.entry_points()


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _folder_of(package: str) -> Path:
    """The folder of a package, found without importing it."""
    from importlib.util import find_spec

    top, *rest = package.split(".")
    spec = find_spec(top)
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations or ()), top), *rest)


def _aliases(folder: Path) -> tuple[str, ...]:
    try:
        lines = (folder / "aliases").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def found() -> tuple[Found, ...]:
    """Every module there is, kind by kind, without importing any."""
    return tuple(module for kind in KINDS for module in _found(kind))


def all_modules() -> tuple[tuple[ModuleKind, str, Module], ...]:
    """ModuleKind, name and object of every module that can be loaded; ``broken`` tells of the others."""
    modules = []
    for one in found():
        with suppress(UsageError):
            modules.append((one.kind, one.name, one.load()))
    return tuple(modules)


def broken() -> tuple[str, ...]:
    """What is wrong with the modules that cannot be loaded, one line for each fault."""
    lines = []
    for one in found():
        try:
            one.load()
        except UsageError as error:
            lines.append(str(error))
    return tuple(dict.fromkeys(lines))


def names(kind: str) -> tuple[str, ...]:
    """Names of the modules of one kind, in alphabetical order; aliases are not among them.

    Args:
        kind: ``provider`` or its folder's name ``infrastructure``, ``resource_manager``,
            ``execution_model``, ``application``.
    """
    return tuple(sorted({one.name for one in found() if kind in (one.kind, KINDS[one.kind][0])}))


def canonical(kind: ModuleKind, name: str) -> str:
    """The name of the module that has ``name`` as its name or as one of its aliases.

    Raises:
        UsageError: there is none, and the message lists the existing names, nearest first; or there are two.
    """
    for one in _refuse_clash(kind, name):
        return one.name
    raise UsageError(f"no such {kind.replace('_', ' ')}; {there_are(nearest_first(name, names(kind)))}")


def _refuse_clash(kind: ModuleKind, name: str) -> tuple[Found, ...]:
    """The module with this name or alias, if there is one; UsageError names both if there are two."""
    matching = tuple(one for one in _found(kind) if name.lower() in (one.name, *one.aliases))
    if len(matching) > 1:
        where = " and ".join(str(one) for one in matching)
        noun = kind.replace("_", " ")
        raise UsageError(f'the {noun} "{name}" exists more than once: {where}; rename one of them')
    return matching


def there_are(known: tuple[str, ...]) -> str:
    """The names that can be chosen; quoted, because "none" is the name of a module as well."""
    return "there are: " + ", ".join(f'"{name}"' for name in known) if known else "there are none yet"


def load(kind: ModuleKind, name: str) -> Module:
    """The module of that kind and name or alias; UsageError when it is missing or broken."""
    wanted = canonical(kind, name)
    return next(one for one in _found(kind) if one.name == wanted).load()


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
def _load(found: Found) -> Module:
    base = KINDS[found.kind][1]
    module_class = _import_class(found)
    if not (isinstance(module_class, type) and issubclass(module_class, base)):
        raise UsageError(f"{found}: MODULE must be a subclass of {base.__name__}")
    try:
        return module_class()
    except TypeError as error:
        raise UsageError(f"{found}: the class is unfinished: {error}") from error


def _import_class(found: Found) -> object:
    top = found.package.partition(".")[0]
    if not found.distribution:
        _check_place(top, ROOT / top / "__init__.py")
    try:
        loaded = importlib.import_module(found.package)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        own = {"continuum"} if found.distribution else {top, "continuum"}
        if missing and missing.partition(".")[0] not in own:
            raise UsageError(_missing_dependency(found, missing.partition(".")[0])) from error
        raise UsageError(f"{found}: cannot be loaded: {type(error).__name__}: {error}") from error
    if not hasattr(loaded, "MODULE"):
        raise UsageError(f"{found}: no MODULE; write MODULE = <the module's class>")
    return loaded.MODULE


def _check_place(folder: str, expected: Path) -> None:
    """Refuse a package with the name of a module folder that is not the one beside the core.

    These names are common, so another package of the same name may come first on the path.
    """
    if folder not in sys.modules and str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    actual = Path(importlib.import_module(folder).__file__ or "namespace package").resolve()
    if actual != expected:
        raise UsageError(
            f"the Python package '{folder}' was loaded from {actual}, but Continuum's is {expected}; "
            "start Continuum from another folder or remove the other package from PYTHONPATH"
        )


def _missing_dependency(found: Found, missing: str) -> str:
    needs = f"{found} needs the Python package {missing}, which is not installed"
    if found.distribution:
        return f"{needs}; install {found.distribution.partition(' ')[0]} again, with its dependencies"
    return f"{needs}; run: {extras.install_command(found.name.replace('_', '-'))}"
