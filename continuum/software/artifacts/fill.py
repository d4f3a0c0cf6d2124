"""Fills a folder with the artifacts of a config, for runs without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from continuum.errors import DeployError, UsageError
from continuum.host.files import replacing
from continuum.software.artifacts import folder as folders
from continuum.software.artifacts.artifact import Artifact
from continuum.software.artifacts.download import REMEDY, Source, fetch_each
from continuum.software.artifacts.verified import sha256_once


def fill(
    folder: Path, needed: Sequence[Artifact], source: Source, tell: Callable[[str], None]
) -> tuple[Artifact, ...]:
    """Download the artifacts that a folder is missing and list them in its manifest; returns these.

    Raises:
        UsageError: it is not a folder, or its manifest is invalid.
        DeployError: some files are unavailable, and the message names them; the others are in the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name a writable folder") from error
    missing = [fault.artifact for fault in folders.check(folder, needed)]
    found, failures = fetch_each(missing, source, tell)
    changed = {one.name: _change(folder, one, found[one.name]) for one in missing if one.name in found}
    added = [artifact for artifact in missing if changed.get(artifact.name) == ""]
    try:
        for artifact in added:
            _place(found[artifact.name], folder / artifact.file)
        folders.write(folder, [folders.entry_of(artifact, folder / artifact.file) for artifact in added])
    except OSError as error:
        raise DeployError(f"{folder}: cannot be written: {error.strerror}") from error
    if refused := [text for text in changed.values() if text]:
        raise DeployError("\n".join([*refused, *failures]))
    if failures:
        raise DeployError("\n".join([*failures, REMEDY]))
    return tuple(added)


def _change(folder: Path, artifact: Artifact, source: Path) -> str:
    """Why a file must not replace the one that the manifest lists; empty if it may."""
    entry = folders.find(artifact, folders.read(folder))
    if artifact.is_pinned or entry is None or (found := sha256_once(source)) == entry.sha256:
        return ""
    return (
        f"{folder / entry.file}: the manifest recorded the sha256 {entry.sha256} when it was added,"
        f" but that of the downloaded file is {found}; to accept it, remove the entry from"
        f" {folder / folders.MANIFEST}"
    )


def _place(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    with replacing(target) as part:
        shutil.copyfile(source, part)
