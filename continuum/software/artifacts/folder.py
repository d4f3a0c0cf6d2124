"""A folder of artifacts: its manifest, and whether it holds the required files in the required versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from continuum.errors import UsageError
from continuum.host.files import sha256_of, write_json
from continuum.software import oci
from continuum.software.artifacts.artifact import KINDS, Artifact
from continuum.software.artifacts.verified import sha256_once
from continuum.software.oci import registry

MANIFEST = "manifest.json"
SCHEMA = 1
PARALLEL = 4


@dataclass(frozen=True)
class Entry:
    """A file of a folder as listed in the manifest.

    Attributes:
        name: name of the artifact.
        version: version of the artifact.
        file: file name in the folder.
        kind: kind of the artifact.
        architecture: architecture of the artifact.
        sha256: hash of the file when it was added.
        size_bytes: size of the file when it was added.
        image: the reference in it, if it is an image.
    """

    name: str
    version: str
    file: str
    kind: str
    architecture: str
    sha256: str
    size_bytes: int
    image: str = ""


@dataclass(frozen=True)
class Fault:
    """Something wrong with one artifact in a folder.

    Attributes:
        artifact: the required artifact.
        what: ``missing``, ``corrupt``, or ``wrong version``.
        message: what is wrong, with the file's name.
    """

    artifact: Artifact
    what: Literal["missing", "corrupt", "wrong version"]
    message: str


def entry_of(artifact: Artifact, path: Path, sha256: str = "") -> Entry:
    """The manifest entry for a file; its checksum is computed unless it is given."""
    return Entry(
        name=artifact.name,
        version=artifact.version,
        file=path.name,
        kind=artifact.kind,
        architecture=artifact.architecture,
        sha256=sha256 or sha256_of(path),
        size_bytes=path.stat().st_size,
        image=artifact.image,
    )


def read(folder: Path) -> tuple[Entry, ...]:
    """The entries of a folder's manifest; empty if it has no manifest.

    Raises:
        UsageError: the manifest is invalid.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise UsageError(f"{path}: schema {data['schema']}, but this version of Continuum reads {SCHEMA}")
        return tuple(_entry(one) for one in data["artifacts"])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path}: not a manifest of artifacts ({reason}); create it again") from error


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Write a folder's manifest atomically; an entry replaces an earlier one of the same file."""
    listed = {entry.file: entry for entry in read(folder)}
    listed.update({entry.file: entry for entry in entries})
    ordered = [vars(entry) for entry in sorted(listed.values(), key=lambda entry: entry.file)]
    write_json(folder / MANIFEST, {"schema": SCHEMA, "artifacts": ordered})


def find(artifact: Artifact, entries: Sequence[Entry]) -> Entry | None:
    """The entry with an artifact's name, version and architecture; None if absent."""
    wanted = (artifact.name, artifact.version, artifact.architecture)
    return next((one for one in entries if (one.name, one.version, one.architecture) == wanted), None)


def check(folder: Path, needed: Sequence[Artifact]) -> tuple[Fault, ...]:
    """Everything that is wrong with a folder: every required file is read and its checksum compared.

    Raises:
        UsageError: the folder does not exist, or its manifest is invalid.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    entries = read(folder)
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = pool.map(lambda artifact: _fault(folder, artifact, entries), needed)
        return tuple(fault for fault in found if fault)


def rebuilt(folder: Path, needed: Sequence[Artifact]) -> tuple[str, ...]:
    """Files of a folder that differ from those released by their projects, such as own builds."""
    pairs = ((artifact, find(artifact, read(folder))) for artifact in needed if artifact.sha256)
    return tuple(entry.file for artifact, entry in pairs if entry and entry.sha256 != artifact.sha256)


def _fault(folder: Path, artifact: Artifact, entries: Sequence[Entry]) -> Fault | None:
    entry = find(artifact, entries)
    if entry is None:
        return _absent(folder, artifact, entries)
    path = folder / entry.file
    try:
        size = path.stat().st_size
        if size != entry.size_bytes:
            what = f"{path}: corrupt: {size} bytes instead of {entry.size_bytes}"
            return Fault(artifact, "corrupt", what)
        found = sha256_once(path)
    except FileNotFoundError:
        return Fault(artifact, "missing", f"{path}: missing, though the manifest lists it")
    except OSError as error:
        return Fault(artifact, "corrupt", f"{path}: cannot be read: {error.strerror}")
    if found != entry.sha256:
        what = f"{path}: corrupt: its sha256 is {found}, but the manifest says {entry.sha256}"
        return Fault(artifact, "corrupt", what)
    return _misnamed(path, artifact) if artifact.image else None


def _misnamed(path: Path, artifact: Artifact) -> Fault | None:
    """A fault if a file holds an image under another name than a cluster looks for."""
    try:
        there = oci.references(path)
    except oci.ArchiveError as error:
        return Fault(artifact, "corrupt", f"{error}")
    if not any(registry.parse(name) == registry.parse(artifact.image) for name in there):
        names = ", ".join(there) or "no name"
        return Fault(artifact, "wrong version", f"{path}: it contains {names}, not {artifact.image}")
    return None


def _absent(folder: Path, artifact: Artifact, entries: Sequence[Entry]) -> Fault:
    """The fault of an artifact without an entry: another version, an unlisted file, or no file."""
    others = [one for one in entries if one.name == artifact.name]
    if others:
        there = ", ".join(f"{one.file} ({one.version}, {one.architecture})" for one in others)
        what = f"{artifact.name} {artifact.version} for {artifact.architecture} is required"
        return Fault(artifact, "wrong version", f"{folder}: wrong version: {what}, found {there}")
    path = folder / artifact.file
    if path.exists():
        what = f"{path}: not listed in {MANIFEST}, so its content cannot be verified"
        return Fault(artifact, "corrupt", what)
    return Fault(artifact, "missing", f"{path}: missing")


def _entry(data: Mapping[str, Any]) -> Entry:
    entry = Entry(
        name=str(data["name"]),
        version=str(data["version"]),
        file=str(data["file"]),
        kind=str(data["kind"]),
        architecture=str(data.get("architecture", "amd64")),
        sha256=str(data["sha256"]),
        size_bytes=int(data["size_bytes"]),
        image=str(data.get("image", "")),
    )
    if entry.kind not in KINDS:
        raise ValueError(f"{entry.file}: its kind is {entry.kind}")
    if Path(entry.file).name != entry.file:
        raise ValueError(f"{entry.file}: files must be in the folder itself")
    return entry
