"""The example in docs/modules.md runs exactly as it is printed there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.leaks import no_leaks
from tests.e2e.program import CHECKOUT, TOLERANCES

# Everything takes seconds; a busy machine must not decide whether a test passes.
pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

GUIDE = CHECKOUT / "docs" / "modules.md"
PACKAGES = ("continuum", "infrastructure", "resource_manager", "execution_model", "application")
FILES = ("__init__.py", "server.py", "client.py", "README.md")
NO_CLOUD = """
[infrastructure]
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
[benchmark]
application = echo
"""
_BLOCK = re.compile(
    r"^`(application/echo/[\w.]+)`[^\n]*\n(?:[^`\n][^\n]*\n)*\n(`{3,})\w+\n(.*?)^\2\n",
    re.MULTILINE | re.DOTALL,
)


def examples(text: str) -> dict[str, str]:
    """The files that the guide prints, by their path: a line that begins with the path, then a code block."""
    return {path: content for path, _, content in _BLOCK.findall(text)}


def config_of(readme: str) -> str:
    """The config in a README's example, with a tolerance that other work on this machine cannot exceed."""
    found = re.search(r"```ini\n(.*?)```", readme, re.DOTALL)
    assert found
    return found[1].replace("[run]\n", f"[run]\n{TOLERANCES}\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project with the guide's example in it."""
    if not Path("/dev/net/tun").exists() or os.geteuid() != 0:
        pytest.skip("nodes of the provider local need root and /dev/net/tun here")
    folder = tmp_path / "checkout"
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "continuum.py", folder)
    for path, content in examples(GUIDE.read_text(encoding="utf-8")).items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(content, encoding="utf-8")
    return folder


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(checkout / "continuum.py"), *arguments],
        cwd=checkout.parent,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_guide_prints_every_file_of_its_example() -> None:
    assert sorted(examples(GUIDE.read_text(encoding="utf-8"))) == sorted(
        f"application/echo/{name}" for name in FILES
    )


@pytest.mark.slow
def test_the_example_gives_a_valid_result(checkout: Path) -> None:
    config = checkout.parent / "echo.cfg"
    config.write_text(
        config_of((checkout / "application" / "echo" / "README.md").read_text(encoding="utf-8"))
    )
    with no_leaks():
        done = run(checkout, "run", "--json", str(config))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    benchmark = result["benchmark"]
    assert result["valid"]
    assert benchmark["application"] == "echo"
    # Three seconds at 10 messages a second from two endpoints; a second of warm-up apart.
    expected = {"sent": 60, "completed": 60, "lost": 0, "failed": 0, "warmup": 20}
    assert {name: benchmark["requests"][name] for name in expected} == expected
    # The link's delay is 20 ms with a jitter of 5 ms, so that half of the messages take about that.
    for stage in ("uplink", "downlink"):
        assert benchmark["stages_ms"][stage]["p50"] >= 15


def test_the_example_refuses_a_config_it_cannot_serve(checkout: Path) -> None:
    config = checkout.parent / "no_cloud.cfg"
    config.write_text(NO_CLOUD)
    done = run(checkout, "check", str(config))
    assert done.returncode == 2
    assert 'echo needs a node of the tier cloud; write "cloud_nodes = 1"' in done.stderr + done.stdout


@pytest.mark.slow
def test_the_example_passes_the_contract_tests(checkout: Path) -> None:
    shutil.copytree(CHECKOUT / "tests", checkout / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", checkout)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract", "-k", "echo"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
