"""Installs the distribution of ``fixtures/outside_modules`` in a folder for ``PYTHONPATH``."""

import shutil
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "fixtures" / "outside_modules"


def install(site: Path, source: Path = SOURCE) -> Path:
    """Copy the packages of a project there, with metadata as an installer writes it; returns the folder."""
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    without = shutil.ignore_patterns("__pycache__")
    for package in source.glob("*/__init__.py"):
        shutil.copytree(package.parent, site / package.parent.name, ignore=without)
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    with (metadata / "entry_points.txt").open("w") as file:
        for group, points in project["entry-points"].items():
            file.write(f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()))
    return site
