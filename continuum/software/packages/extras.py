"""Optional Python packages: whether they are installed on this host, and the command that installs them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "continuum-bench"
ROOT = Path(__file__).resolve().parents[3]
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")


def missing(requirements: Iterable[str]) -> tuple[str, ...]:
    """Those of the requirements whose distribution is not installed here; versions are not compared."""
    return tuple(one for one in dict.fromkeys(requirements) if not _is_installed(_name(one)))


def install_command(extra: str) -> str:
    """The command that installs an extra of this project."""
    return f'pip install "{_project()}[{extra}]"'


def command_for(requirements: Sequence[str]) -> str:
    """The command that installs requirements: by an extra of this project that has them all, else by name."""
    wanted = {_name(one) for one in requirements}
    holding = [(len(names), extra) for extra, names in _extras().items() if wanted <= names]
    return install_command(min(holding)[1]) if holding else f"pip install {shlex.join(requirements)}"


def _extras() -> dict[str, set[str]]:
    """The names of the distributions of each extra; empty where this project is not installed."""
    found: dict[str, set[str]] = {}
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return found
    for requirement in declared:
        if extra := _EXTRA.search(requirement):
            found.setdefault(extra[1], set()).add(_name(requirement))
    return found


def _project() -> str:
    """What to name to pip: the checkout, the folder it was installed from, or the distribution."""
    if (ROOT / "pyproject.toml").is_file():
        return str(ROOT)
    try:
        origin = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return DISTRIBUTION
    folder = unquote(urlsplit(str(origin.get("url", ""))).path)
    return folder if folder and Path(folder, "pyproject.toml").is_file() else DISTRIBUTION


def _name(requirement: str) -> str:
    """The normalised name of the distribution in a requirement (PEP 503)."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True
