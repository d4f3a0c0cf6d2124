"""What the project says of itself in several places agrees."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

import continuum
from continuum.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_one() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert found
    assert found[1] == continuum.__version__


def anchor(heading: str) -> str:
    """The anchor that a heading of a page gets, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
    return kept.strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    pages += [page for page in ROOT.glob("*/*/README.md") if ".venv" not in page.parts]
    for page in pages:
        for target, name in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            other = page.parent / target if target else page
            assert other.exists(), f"{page.relative_to(ROOT)}: {target}"
            if name:
                assert name in anchors(other), f"{page.relative_to(ROOT)}: {target}#{name}"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached, left = set(), [index]
    while left:
        page = left.pop().resolve()
        if page.suffix != ".md" or page in reached or not page.is_relative_to(ROOT / "docs"):
            continue
        reached.add(page)
        left += [
            page.parent / target for target in re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8"))
        ]
    assert {*(ROOT / "docs").rglob("*.md")} <= reached


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_line_reference_has_every_option(verb: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    found = re.search(rf"^### continuum {verb}\b.*?(?=^##)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section `### continuum {verb}`"
    parser = argparse.ArgumentParser()
    importlib.import_module(f"continuum.commands.{verb}").add_arguments(parser)
    options = [
        name for action in parser._actions for name in action.option_strings if name not in ("-h", "--help")
    ]
    assert [name for name in options if f"`{name}" not in found[0]] == []
