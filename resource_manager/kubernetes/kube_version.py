"""The release of Kubernetes that a config asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from continuum.errors import Problem
from continuum.model.section import Section
from continuum.software import artifacts

HERE = Path(__file__).parent
KEY = "kube_version"


def chosen(section: Section, folder: Path = HERE) -> str | None:
    """The release to install, as ``artifacts.versions`` takes it; None for the default.

    Configs of the Continuum framework ask for releases that are years old. The oldest release in the table
    replaces any older one, with a warning by ``check``.
    """
    asked = section.maybe_text(KEY)
    return _oldest(folder) if asked is not None and _is_older(asked, folder) else asked


def check(section: Section, folder: Path = HERE) -> Iterator[Problem]:
    """A warning for a release older than all in the table, an error for any other that is not in it."""
    asked = section.maybe_text(KEY)
    if asked is not None and _is_older(asked, folder):
        oldest = _oldest(folder)
        yield section.problem(
            KEY, f"older than all releases there are; {oldest} is installed instead", "warning"
        )
    else:
        yield from artifacts.check_version(section, KEY, folder)


def _oldest(folder: Path) -> str:
    return artifacts.known(folder)[-1]


def _is_older(asked: str, folder: Path) -> bool:
    found = re.fullmatch(r"v?1\.(\d{1,3})(\.\d{1,3})?", asked.strip())
    return found is not None and int(found[1]) < int(_oldest(folder).split(".")[1])
