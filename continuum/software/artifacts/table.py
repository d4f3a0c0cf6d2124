"""A module's ``versions.yml``: the available versions of its software, their addresses and checksums."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from continuum.errors import Problem, UsageError
from continuum.model.section import Section
from continuum.options import nearest_first
from continuum.software.artifacts.artifact import ARCHITECTURES, KINDS, Artifact

FILE = "versions.yml"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN = 4
LONGEST_VERSION = 40
"""Most characters of a version that a config can ask for."""


def versions(folder: Path, chosen: str | None = None, architecture: str = "amd64") -> tuple[Artifact, ...]:
    """The artifacts of one release of a module's software.

    Args:
        folder: the module's folder, which contains ``versions.yml``.
        chosen: the release as the user wrote it: ``v1.33.4``, ``1.33.4``, or ``1.33`` for the newest
            of those; None for the table's default.
        architecture: of the nodes.

    Raises:
        UsageError: the release is unknown; the message lists the nearest ones.
    """
    table = _read(folder / FILE)
    release = release_of(folder, chosen)
    own: Mapping[str, Any] = table["releases"][release] or {}
    made = (
        _artifact(name, entry, own.get(name, release), architecture)
        for name, entry in table["artifacts"].items()
        if own.get(name, release)
    )
    return tuple(made)


def known(folder: Path) -> tuple[str, ...]:
    """The releases in a module's table, newest first."""
    return tuple(sorted(_read(folder / FILE)["releases"], key=_order, reverse=True))


def release_of(folder: Path, chosen: str | None) -> str:
    """The release that a user's version selects; UsageError lists the nearest if there is none."""
    if chosen is None:
        return str(_read(folder / FILE)["default"])
    there = known(folder)
    if len(chosen) > LONGEST_VERSION:
        raise UsageError(f"not a version; the newest known ones are: {', '.join(there[:_SHOWN])}")
    wanted = chosen.strip().removeprefix("v")
    for release in there:
        plain = release.removeprefix("v")
        if plain == wanted or plain.startswith(f"{wanted}."):
            return release
    raise UsageError(f"unknown version; the nearest known versions are: {', '.join(nearest(chosen, there))}")


def nearest(wanted: str, there: tuple[str, ...]) -> tuple[str, ...]:
    """The known versions closest to a wanted one: by number, or by spelling if it has no number."""
    order = _order(wanted)
    if not order:
        return tuple(nearest_first(wanted, there))[:_SHOWN]

    def distance(release: str) -> list[int]:
        other = _order(release)
        length = max(len(order), len(other))
        padded = ([*one, *[0] * (length - len(one))] for one in (order, other))
        return [abs(mine - theirs) for mine, theirs in zip(*padded, strict=True)]

    return tuple(sorted(there, key=distance)[:_SHOWN])


def check_version(section: Section, key: str, folder: Path) -> Iterator[Problem]:
    """A problem if a config asks for a release that is not in the module's table; for ``check``."""
    try:
        release_of(folder, section.maybe_text(key))
    except UsageError as error:
        yield section.problem(key, str(error))


def _artifact(name: str, entry: Mapping[str, Any], version: str, architecture: str) -> Artifact:
    facts = entry["versions"][version] or {}
    filled = {"version": version, "number": version.removeprefix("v"), "architecture": architecture}
    return Artifact(
        name=name,
        version=version,
        kind=entry["kind"],
        architecture=architecture,
        url=str(entry.get("url", "")).format(**filled),
        sha256=str(facts.get(architecture, "")),
        image=str(entry.get("image", "")).format(**filled),
        digest=str(facts.get("digest", "")),
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


@cache
def _read(path: Path) -> dict[str, Any]:
    """A valid table; ValueError lists the mistakes in the module's file."""
    import yaml  # needed only by modules that install files

    table: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - texts only
    if faults := list(_faults(table)):
        raise ValueError(f"{path}: {'; '.join(faults)}")
    return table


def _loader() -> Any:
    """PyYAML's fastest loader that reads all scalars as text, so that 3.10 is not a number."""
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _faults(table: Any) -> Iterator[str]:
    if not isinstance(table, dict) or not {"default", "artifacts", "releases"} <= table.keys():
        yield "must have default, artifacts and releases"
        return
    if table["default"] not in table["releases"]:
        yield f"the default {table['default']} is not a release"
    for name, entry in table["artifacts"].items():
        yield from _faults_of(name, entry)
    for release, own in table["releases"].items():
        for name in set(own or {}) - set(table["artifacts"]):
            yield f"release {release}: unknown artifact {name}"
        for name, entry in table["artifacts"].items():
            version = (own or {}).get(name, release)
            if version and version not in entry["versions"]:
                yield f"release {release}: {name} has no version {version}"


def _faults_of(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if entry.get("kind") not in KINDS:
        yield f"{name}: kind must be one of {', '.join(KINDS)}"
    if (entry.get("kind") == "image") != bool(entry.get("image")):
        yield f"{name}: images, and only images, must have an image reference"
    for version, facts in entry["versions"].items():
        for key, value in (facts or {}).items():
            pattern = _DIGEST if key == "digest" else _SHA256
            if key not in (*ARCHITECTURES, "digest") or not pattern.fullmatch(value):
                yield f"{name} {version}: {key}: {value} is not a checksum"
