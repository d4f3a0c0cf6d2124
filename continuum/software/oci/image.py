"""Assembles layers and a configuration into the archive of an image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from continuum.software.oci.archive import FULL_NAME, REF_NAME, Archive, blob_name
from continuum.software.oci.layer import Layer, temporary

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class ImageConfig:
    """How containers of an image start.

    Attributes:
        entrypoint: the program and its first arguments.
        command: further arguments, which can be replaced when a container is started.
        environment: environment variables.
        labels: labels of the image.
        working_folder: working directory of the program.
        user: name or number of the user it runs as; empty for root.
        architecture: as images name it, ``amd64`` or ``arm64``.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    working_folder: str = ""
    user: str = ""
    architecture: str = "amd64"


@dataclass(frozen=True)
class Image:
    """An image in an archive.

    Attributes:
        reference: its full name, as in ``registry.k8s.io/pause:3.10``.
        path: the archive.
        id: hash of its configuration, the image ID of Docker.
        digest: hash of its manifest, which identifies it in containerd and registries.
        layers: its layers, lowest first.
        size_bytes: size of the archive.
    """

    reference: str
    path: Path
    id: str
    digest: str
    layers: tuple[Layer, ...]
    size_bytes: int


def write(
    to: Path,
    reference: str,
    layers: Sequence[Layer],
    config: ImageConfig,
    *,
    base: Path | None = None,
    without: Collection[str] = (),
) -> Image:
    """Write the archive of an image, atomically and reproducibly.

    Args:
        to: the archive to write.
        reference: the image's full name, with registry and tag.
        layers: layers on top of the base, lowest first.
        config: how containers start; environment and labels are added to those of the base.
        base: archive of the base image; None for no base.
        without: digests of layers to leave out because the importing side already has them.

    Raises:
        ArchiveError: the base is not an image archive.
    """
    parts = compose(reference, layers, config, base)
    pack(to, parts, without)
    return image_of(parts, to)


@dataclass(frozen=True)
class Parts:
    """The parts of an image archive.

    Attributes:
        reference: the image's full name.
        config: its configuration, as JSON.
        manifest: its manifest, as JSON.
        layers: its layers, lowest first.
        media_type: media type of the manifest.
        base: archive that contains the layers without a file.
    """

    reference: str
    config: bytes
    manifest: bytes
    layers: Sequence[Layer]
    media_type: str = MANIFEST_TYPE
    base: Archive | None = None


def compose(reference: str, layers: Sequence[Layer], config: ImageConfig, base: Path | None = None) -> Parts:
    """The parts of an image; for the arguments see ``write``."""
    below = Archive(base) if base else None
    every = (*(below.layers if below else ()), *layers)
    described = json_bytes(_config(config, every, below.config if below else {}))
    return Parts(reference, described, json_bytes(_manifest(described, every)), every, base=below)


def image_of(parts: Parts, path: Path) -> Image:
    """The description of a written archive."""
    return Image(
        parts.reference,
        path,
        digest_of(parts.config),
        digest_of(parts.manifest),
        tuple(parts.layers),
        path.stat().st_size,
    )


def pack(to: Path, parts: Parts, without: Collection[str] = ()) -> None:
    """Write an archive atomically, without the layers whose digests are in ``without``."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with temporary(to.parent) as part:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
            for name, data in _documents(parts).items():
                _add(archive, name, io.BytesIO(data), len(data))
            for layer in {one.digest: one for one in parts.layers if one.digest not in without}.values():
                with _opened(layer, parts.base) as file:
                    _add(archive, blob_name(layer.digest), file, layer.size_bytes)
        part.chmod(0o644)
        part.replace(to)


def thin(archive: Path, to: Path, without: Collection[str]) -> Path:
    """Copy an image archive without some of its layers.

    A container runtime that already has these layers, such as containerd, can import the result.

    Args:
        archive: the complete archive, written by ``write``.
        to: the archive to write atomically.
        without: digests of the layers to leave out, as in ``sha256:...``.
    """
    left_out = {blob_name(digest) for digest in without}
    to.parent.mkdir(parents=True, exist_ok=True)
    with temporary(to.parent) as part:
        with tarfile.open(archive) as source, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as target:
            for member in source:
                if member.name not in left_out:
                    target.addfile(member, source.extractfile(member) if member.isreg() else None)
        part.chmod(0o644)
        part.replace(to)
    return to


def digest_of(data: bytes) -> str:
    """The digest of some content, as in ``sha256:...``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def json_bytes(value: object) -> bytes:
    """Canonical JSON: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _opened(layer: Layer, below: Archive | None) -> AbstractContextManager[IO[bytes]]:
    if layer.path is not None:
        return layer.path.open("rb")
    assert below is not None, "a layer without a file is in the base"
    return below.blob(layer)


def _config(config: ImageConfig, layers: Sequence[Layer], base: Mapping[str, Any]) -> dict[str, Any]:
    """The image configuration, merged with that of the base."""
    start = dict(base.get("config") or {})
    inherited = dict(one.partition("=")[::2] for one in start.get("Env") or [])
    environment = {**inherited, **config.environment}
    start["Env"] = [f"{name}={value}" for name, value in environment.items()]
    start["Labels"] = {**(start.get("Labels") or {}), **config.labels}
    if config.entrypoint:
        start["Entrypoint"], start["Cmd"] = list(config.entrypoint), list(config.command) or None
    elif config.command:
        start["Cmd"] = list(config.command)
    given = {"WorkingDir": config.working_folder, "User": config.user}
    start.update({key: value for key, value in given.items() if value})
    return {
        "created": EPOCH,
        "architecture": base.get("architecture") or config.architecture,
        "os": "linux",
        "config": {key: value for key, value in start.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.uncompressed_id() for layer in layers]},
    }


def _manifest(config: bytes, layers: Sequence[Layer]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size_bytes}
            for layer in layers
        ],
    }


def _documents(parts: Parts) -> dict[str, bytes]:
    """All files of the archive except layers, by name: the OCI layout and Docker's manifest."""
    tag = parts.reference.rpartition("/")[2].partition(":")[2]
    described = {
        "mediaType": parts.media_type,
        "digest": digest_of(parts.manifest),
        "size": len(parts.manifest),
        "annotations": {FULL_NAME: parts.reference, REF_NAME: tag or "latest"},
    }
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [described]}
    config_name = blob_name(digest_of(parts.config))
    for_docker = {
        "Config": config_name,
        "RepoTags": [parts.reference],
        "Layers": [blob_name(layer.digest) for layer in parts.layers],
    }
    return {
        "oci-layout": json_bytes({"imageLayoutVersion": "1.0.0"}),
        "index.json": json_bytes(index),
        "manifest.json": json_bytes([for_docker]),
        config_name: parts.config,
        blob_name(digest_of(parts.manifest)): parts.manifest,
    }


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    archive.addfile(entry, file)
