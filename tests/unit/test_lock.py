"""The lock files hold what pyproject.toml asks for, in one version each per Python, with hashes."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

tomllib = pytest.importorskip("tomllib")  # of Python 3.11

ROOT = Path(__file__).resolve().parents[2]
NOT_LOCKED = {"libvirt-python"}
"""Must fit the libvirt of the host; scripts/setup-e2e installs it."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
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


def locked_for(file: str, python: str) -> dict[str, list[str]]:
    """The versions of each package that a Python on Linux installs."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    found: dict[str, list[str]] = {}
    for entry, version in locked(file).items():
        name, _, marker = entry.partition(" ")
        if not marker or Marker(marker).evaluate(environment):
            found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_finds_one_fitting_version_of_each_package(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for file, names_of_extras in (("requirements.lock", ("video",)), ("requirements-dev.lock", TESTS)):
        there = locked_for(file, python)
        assert {name: found for name, found in there.items() if len(found) > 1} == {}
        for text in [*project["dependencies"], *(one for extra in names_of_extras for one in extras[extra])]:
            wanted = Requirement(text)
            if wanted.name not in NOT_LOCKED:
                (version,) = there[wanted.name.lower()]
                assert version in wanted.specifier, text


def test_what_installs_the_project_is_locked() -> None:
    assert {"pip", "setuptools"} <= packages("requirements.lock")
    lines = (ROOT / "scripts" / "setup").read_text(encoding="utf-8").splitlines()
    installing = [line for line in lines if re.search(r"^install |pip install .*--requirement", line.strip())]
    assert installing
    for line in installing:
        assert "--require-hashes" in line or {"--no-deps", "--no-build-isolation"} <= set(line.split()), line


def test_the_check_names_a_python_that_is_not_covered(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\ncase "$*" in *--require-hashes*"3.12 "*requirements.lock*) exit 1;; esac\n')
    uv.chmod(0o755)
    command = [str(ROOT / "scripts" / "lock"), "--check"]
    environment = {**os.environ, "UV": str(uv)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "lock: requirements.lock does not cover Python 3.12; run: scripts/lock\n",
    )
