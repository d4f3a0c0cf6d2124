"""Finds the path on this host of every artifact that a run needs; downloads missing ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from continuum.errors import DeployError, HostError, Problem, UsageError
from continuum.model.config import Config
from continuum.software.artifacts.artifact import Artifact
from continuum.software.packages.store import cache_folder


def resolve(
    needed: Sequence[Artifact], config: Config, tell: Callable[[str], None] = lambda _line: None
) -> Mapping[str, Path]:
    """The path of each artifact, by its name: in ``artifact_dir`` if it is set, else in the download cache.

    Args:
        needed: the artifacts.
        config: may set ``artifact_dir`` and ``artifact_mirror``.
        tell: receives a line of text for each download.

    Raises:
        HostError: files of ``artifact_dir`` are missing or corrupt; the message names all of them.
        DeployError: files cannot be downloaded; the message names all of them.
    """
    given = config.infrastructure.path("artifact_dir")
    if given is None:
        from continuum.software.artifacts.download import Source, fetch_all

        source = Source(cache(), config.infrastructure.maybe_text("artifact_mirror") or "")
        return fetch_all(needed, source, tell)
    from continuum.software.artifacts import folder as folders

    if problems := list(_problems(given, needed, config)):
        raise HostError(problems)
    found = {one.name: folders.find(one, folders.read(given)) for one in needed}
    return {name: (given / entry.file).absolute() for name, entry in found.items() if entry}


def problems(needed: Sequence[Artifact], config: Config) -> Iterator[Problem]:
    """A problem for each missing or corrupt file in ``artifact_dir``; read-only, for the phase ``probe``."""
    given = config.infrastructure.path("artifact_dir")
    if given is not None and needed:
        yield from _problems(given, needed, config)


def cache() -> Path:
    """The folder of this user's downloads, shared by all runs."""
    return cache_folder() / "artifacts"


def _problems(given: Path, needed: Sequence[Artifact], config: Config) -> Iterator[Problem]:
    from continuum.software.artifacts import folder as folders

    remedy = f"`continuum artifacts {config.path} --download FOLDER`, on a machine with a network, fetches it"
    try:
        faults = folders.check(given, needed)
    except UsageError as error:
        yield config.infrastructure.problem("artifact_dir", f"{error}; {remedy}")
        return
    for fault in faults:
        yield config.infrastructure.problem("artifact_dir", f"{fault.message}; {remedy}")


__all__ = ["DeployError", "cache", "problems", "resolve"]
