"""The names that the orchestrator and programs on nodes share are spelled in one file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("continuum", "infrastructure", "resource_manager", "execution_model", "application")
PROTOCOL = ROOT / "continuum" / "sdk" / "protocol.py"


def test_only_the_protocol_spells_variables_of_the_environment() -> None:
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    assert len(sources) > 200
    spelled = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources
        for name in re.findall(r"\bCONTINUUM_[A-Z]+", path.read_text(encoding="utf-8"))
        if path != PROTOCOL
    ]
    assert spelled == []


def test_it_needs_only_the_standard_library() -> None:
    """Programs on nodes start without site packages."""
    command = [sys.executable, "-S", "-c", "import continuum.sdk.protocol, continuum.sdk.http_front"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
