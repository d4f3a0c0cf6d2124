"""What the project says of itself in several places agrees."""

import re
from pathlib import Path

import continuum

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_one() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert found
    assert found[1] == continuum.__version__


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_verb_is_in_the_guide() -> None:
    from continuum.cli import VERBS

    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    for verb in VERBS:
        assert f"continuum {verb}" in guide or verb == "run", verb
