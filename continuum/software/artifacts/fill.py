"""Fills a folder with what a config needs, for use where there is no network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from continuum.errors import DeployError, UsageError
from continuum.software.artifacts import folder as folders
from continuum.software.artifacts.artifact import Artifact
from continuum.software.artifacts.download import REMEDY, Source, fetch_each


def fill(
    folder: Path, needed: Sequence[Artifact], source: Source, tell: Callable[[str], None]
) -> tuple[Artifact, ...]:
    """Download into a folder what it lacks, and list it in its manifest; returns what was put there.

    Raises:
        UsageError: it is no folder, or its manifest makes no sense.
        DeployError: some files cannot be had, each of which is named; the others are there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name a folder that can be written to") from error
    lacking = [fault.artifact for fault in folders.check(folder, needed)]
    found, failures = fetch_each(lacking, source, tell)
    added = [artifact for artifact in lacking if artifact.name in found]
    try:
        for artifact in added:
            _place(found[artifact.name], folder / artifact.file)
        folders.write(folder, [folders.entry_of(artifact, folder / artifact.file) for artifact in added])
    except OSError as error:
        raise DeployError(f"{folder}: cannot be written to: {error.strerror}") from error
    if failures:
        raise DeployError("\n".join([*failures, REMEDY]))
    return tuple(added)


def _place(source: Path, target: Path) -> None:
    """A copy of a file, atomically; programs can be run."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
