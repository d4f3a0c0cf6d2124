"""Fails when a module of `continuum/` imports from a room above its own, or when modules import in a circle.

The rooms are listed from top to bottom; `docs/architecture.md` explains them. Imports under TYPE_CHECKING and
inside functions count as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = "continuum"
ROOMS = (
    ("", "cli", "commands"),
    ("testing",),
    ("pipeline",),
    ("config",),
    ("modules",),
    ("report",),
    ("software",),
    ("network",),
    ("measure",),
    ("rundir",),
    ("connection",),
    ("host",),
    ("model",),
    ("options",),
    ("sdk",),
    ("errors", "version"),
)
LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def modules(root: Path) -> dict[str, Path]:
    """The file of every module below `root`/continuum, by its dotted name."""
    found = {}
    for path in sorted((root / CORE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and name of every module of ours that a file imports; absolute imports only (ruff: TID)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in known or node.module in known:
                    yield node.lineno, name if name in known else node.module


def room(module: str) -> str:
    """The room of a module: the second part of its dotted name."""
    return module.split(".")[1] if "." in module else ""


def faults(root: Path = ROOT) -> Iterator[str]:
    """One line for each import that goes up, for each room that is not listed, and for a circle."""
    known = modules(root)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        if room(name) not in LEVELS:
            yield f"{path.relative_to(root)}: no room of that name; add it to ROOMS in scripts/check_rooms.py"
            continue
        for line, imported in imports(path, known):
            if imported != name:
                graph[name].add(imported)
            if LEVELS.get(room(imported), len(ROOMS)) < LEVELS[room(name)]:
                where = f"{path.relative_to(root)}:{line}"
                yield f"{where}: imports {imported}, which is in a room above {room(name)}"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"modules import each other in a circle: {' -> '.join(reversed(error.args[1]))}"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) if found else f"{len(modules(ROOT))} modules, imports run downward only")
    sys.exit(bool(found))
