"""Modules of a distribution of its own: listed, run from config to result, and held to the contract."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.modules import registry
from tests import outside
from tests.e2e import program

PROGRAM = str(registry.ROOT / "continuum.py")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
CONFIG = (
    """
[infrastructure]
provider = barn
base_path = .
cloud_nodes = 2
cloud_cores = 1
cloud_memory = 1 GB
[benchmark]
application = nap
[run]
warmup = 0
"""
    + program.TOLERATED
    + "\n"
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    site = outside.install(tmp_path / "site")
    return {**os.environ, "PYTHONPATH": f"{registry.ROOT}{os.pathsep}{site}"}


def call(environment: dict[str, str], folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
def test_a_run_of_them_comes_to_its_result(environment: dict[str, str], tmp_path: Path) -> None:
    """Their code is not beside the core's, and their nodes do not share the interpreter's path."""
    listed = call(environment, tmp_path, PROGRAM, "modules")
    assert "nodes that are folders of this host" in listed.stdout
    assert listed.stderr == ""
    (tmp_path / "x.cfg").write_text(CONFIG)
    done = call(environment, tmp_path, PROGRAM, "x.cfg")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = tmp_path.glob("runs/*/result.json")
    benchmark = json.loads(result.read_text())["benchmark"]
    assert benchmark["application"] == "nap"
    assert benchmark["requests"]["completed"] == 2
    assert benchmark["stages_ms"]["sleep"]["p50"] is not None


@pytest.mark.slow
def test_the_contract_can_be_run_for_them(environment: dict[str, str], tmp_path: Path) -> None:
    names = '["provider/shed", "application/nap"]'
    (tmp_path / "test_mine.py").write_text(f"from continuum.testing.contract import *\n\nMODULES = {names}\n")
    done = call(environment, tmp_path, *PYTEST, "test_mine.py")
    assert done.returncode == 0, done.stdout
    assert "provider/shed" not in done.stdout, "a test is skipped or fails"
    (tmp_path / "site/continuum_shed/provider/README.md").write_text("# shed\n")
    for_one = ("--pyargs", "continuum.testing.contract", "-k", "provider/shed")
    done = call(environment, tmp_path, *PYTEST, *for_one)
    assert done.returncode == 1, done.stdout
    assert "test_readme_has_an_example[provider/shed]" in done.stdout
    assert "AssertionError: no example of a config" in done.stdout
