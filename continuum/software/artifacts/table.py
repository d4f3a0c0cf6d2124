"""A module's ``versions.yml``: which versions of its software there are, from where, with which checksums."""

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
    """What a module installs in one release of its software.

    Args:
        folder: the module's, which holds ``versions.yml``.
        chosen: the release as the user wrote it: ``v1.33.4``, ``1.33.4``, or ``1.33`` for the newest
            of those; None for the table's default.
        architecture: of the nodes.

    Raises:
        UsageError: there is no such release; the nearest ones are named.
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
    """The releases in a module's table, the newest first."""
    return tuple(sorted(_read(folder / FILE)["releases"], key=_order, reverse=True))


def release_of(folder: Path, chosen: str | None) -> str:
    """The release that a user's word for it means; UsageError names the nearest if there is none."""
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
    raise UsageError(f"no such version; the nearest known ones are: {', '.join(nearest(chosen, there))}")


def nearest(wanted: str, there: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the versions there are: those near in number, or in spelling where it is no number."""
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
    """For a module's ``check``: a problem if the config asks for a release that is not in its table."""
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
    """A table that holds what ``versions`` reads; ValueError says what is wrong, a mistake of its module."""
    import yaml  # only who installs something needs it

    table: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - texts only
    if faults := list(_faults(table)):
        raise ValueError(f"{path}: {'; '.join(faults)}")
    return table


def _loader() -> Any:
    """The loader of PyYAML that is fast and leaves versions such as 3.10 what they are: text."""
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _faults(table: Any) -> Iterator[str]:
    if not isinstance(table, dict) or not {"default", "artifacts", "releases"} <= table.keys():
        yield "must have default, artifacts and releases"
        return
    if table["default"] not in table["releases"]:
        yield f"the default {table['default']} is not among the releases"
    for name, entry in table["artifacts"].items():
        yield from _faults_of(name, entry)
    for release, own in table["releases"].items():
        for name in set(own or {}) - set(table["artifacts"]):
            yield f"release {release}: there is no artifact {name}"
        for name, entry in table["artifacts"].items():
            version = (own or {}).get(name, release)
            if version and version not in entry["versions"]:
                yield f"release {release}: {name} has no version {version}"


def _faults_of(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if entry.get("kind") not in KINDS:
        yield f"{name}: its kind must be one of {', '.join(KINDS)}"
    if (entry.get("kind") == "image") != bool(entry.get("image")):
        yield f"{name}: an image, and nothing else, has a reference as its image"
    for version, facts in entry["versions"].items():
        for key, value in (facts or {}).items():
            pattern = _DIGEST if key == "digest" else _SHA256
            if key not in (*ARCHITECTURES, "digest") or not pattern.fullmatch(value):
                yield f"{name} {version}: {key}: {value} is no checksum"
