"""The check of imports between the packages of `continuum/` finds what it is there to find."""

from pathlib import Path

import pytest

from scripts import check_rooms


def faults(root: Path, files: dict[str, str]) -> list[str]:
    """What the check reports for a tree of these files, by path below `continuum/`."""
    for name, text in files.items():
        path = root / "continuum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return list(check_rooms.faults(root))


def test_this_tree_has_none() -> None:
    assert list(check_rooms.faults()) == []
    assert len(check_rooms.modules(check_rooms.ROOT)) > 100


def test_imports_of_the_same_room_and_of_rooms_below_are_fine(tmp_path: Path) -> None:
    files = {
        "pipeline/run.py": "import json\nfrom continuum.pipeline import steps\nimport continuum.host.facts\n",
        "pipeline/steps.py": "import continuum.errors\n",
        "host/facts.py": "from continuum.errors import HostError\n",
        "errors.py": "",
    }
    assert faults(tmp_path, files) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from continuum.pipeline.run import go\n", 1),
        ("from continuum.pipeline import run\n", 1),
        ("import continuum.pipeline.run\n", 1),
        ("from continuum import pipeline\n", 1),
        (
            "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from continuum.pipeline import run\n",
            4,
        ),
        ("def late():\n    from continuum.pipeline import run\n", 2),
    ],
    ids=["name", "module", "dotted", "package", "TYPE_CHECKING", "function"],
)
def test_an_upward_import_is_a_fault(tmp_path: Path, text: str, line: int) -> None:
    found = faults(tmp_path, {"pipeline/run.py": "def go(): ...\n", "host/facts.py": text})
    assert len(found) == 1
    assert found[0].startswith(f"continuum/host/facts.py:{line}: imports continuum.pipeline")
    assert found[0].endswith("which is in a room above host")


def test_rooms_that_share_a_level_may_import_each_other(tmp_path: Path) -> None:
    files = {"cli.py": "from continuum.commands import up\n", "commands/up.py": ""}
    assert faults(tmp_path, files) == []


@pytest.mark.parametrize(
    "text", ["from continuum.host import b\n", "def f():\n    from continuum.host import b\n"]
)
def test_a_circle_is_a_fault(tmp_path: Path, text: str) -> None:
    found = faults(tmp_path, {"host/a.py": text, "host/b.py": "import continuum.host.a\n"})
    assert len(found) == 1
    assert "circle" in found[0]
    assert "continuum.host.a" in found[0]
    assert "continuum.host.b" in found[0]


def test_an_unknown_room_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, {"attic/box.py": "", "errors.py": ""})
    assert found
    assert all("no room of that name" in line for line in found)
    assert any(line.startswith("continuum/attic/box.py") for line in found)
