"""Other modules use of ``kubernetes`` what its public face offers, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from resource_manager.kubernetes import api

ROOT = Path(__file__).resolve().parents[3]
FACE = "resource_manager.kubernetes.api"
OTHERS = sorted(
    path
    for folder in ("resource_manager", "execution_model", "infrastructure", "application")
    for path in (ROOT / folder).rglob("*.py")
    if (ROOT / "resource_manager" / "kubernetes") not in path.parents
)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_past_the_public_face(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for one in ast.walk(tree):
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("resource_manager.kubernetes"):
            names = [alias.name for alias in one.names]
            assert one.module == FACE or names == ["api"], f"line {one.lineno}: {one.module}"
            if one.module == FACE:
                assert set(names) <= set(api.__all__)


def used_by(path: Path) -> set[str]:
    """Names of the public face that a file uses: imported from it, or attributes of it."""
    found: set[str] = set()
    for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(one, ast.ImportFrom) and one.module == FACE:
            found |= {alias.name for alias in one.names}
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "api":
            found.add(one.attr)
    return found


def test_every_name_of_the_public_face_exists_and_is_used() -> None:
    used = set[str]().union(*map(used_by, OTHERS))
    for name in api.__all__:
        assert hasattr(api, name), name
        assert name in used, f"{name} is offered but not used"
