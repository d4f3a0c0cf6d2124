"""The lock files hold what pyproject.toml asks for, in one version each per Python, with hashes."""

import re
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")  # of Python 3.11

ROOT = Path(__file__).resolve().parents[2]
NOT_LOCKED = {"libvirt-python"}
"""Must fit the libvirt of the host; scripts/setup-e2e installs it."""

TESTS = ("dev", "docker", "gcp", "kubernetes", "playbooks", "qemu", "video")
"""Extras that tests need."""


def locked(file: str) -> dict[str, str]:
    """By package and marker, the version; every entry must have a hash."""
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    found = {}
    for entry in entries:
        match = re.match(r"([\w.-]+)==(\S+)(?: ; ([^\\]+?))? \\\n +--hash=sha256:", entry)
        assert match, entry
        found[f"{match[1]} {match[3] or ''}"] = match[2]
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ \[]", one)[0].lower() for one in requirements}


def packages(file: str) -> set[str]:
    return {entry.split()[0] for entry in locked(file)}


def test_what_runs_need_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    video = project["optional-dependencies"]["video"]
    assert names([*project["dependencies"], *video]) <= packages("requirements.lock")


def test_what_tests_need_is_locked() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = set.union(*(names(extras["optional-dependencies"][extra]) for extra in TESTS))
    assert wanted - NOT_LOCKED <= packages("requirements-dev.lock")


def test_runs_and_tests_have_the_same_versions() -> None:
    runs, tests = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: tests[name] for name in runs if name in tests} == {
        name: version for name, version in runs.items() if name in tests
    }


def test_the_installer_is_the_one_of_the_tests() -> None:
    assert locked("requirements-uv.lock").items() <= locked("requirements-dev.lock").items()
