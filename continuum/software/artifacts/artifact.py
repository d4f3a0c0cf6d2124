"""One file that is installed on nodes: its name, where its project publishes it, its checksum."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

from continuum.model.config import Config

ArtifactKind = Literal["binary", "image", "archive"]
KINDS: tuple[ArtifactKind, ...] = ("binary", "image", "archive")

ARCHITECTURES = ("amd64", "arm64")
"""Architectures by the names that release files carry."""

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Artifact:
    """A file that a module installs on nodes.

    Attributes:
        name: as in ``kubelet``; unique among the artifacts of one config.
        version: its version, as in ``v1.33.4``.
        kind: ``binary`` (one program), ``image`` (archive of a container image) or ``archive`` (any other
            archive).
        architecture: of the nodes it is for: ``amd64`` or ``arm64``.
        url: address of the released file; empty if its project releases none.
        sha256: published checksum of that file; empty if unknown.
        image: full reference of a container image; empty for other kinds.
        digest: digest of the image in its registry, for all architectures, as in ``sha256:...``; empty if
            unknown.
    """

    name: str
    version: str
    kind: ArtifactKind
    architecture: str = "amd64"
    url: str = ""
    sha256: str = ""
    image: str = ""
    digest: str = ""

    @property
    def file(self) -> str:
        """Its name in a folder of artifacts, as in ``kubelet-v1.33.4-linux-amd64``."""
        plain = f"{self.name}-{self.version}-linux-{self.architecture}"
        if self.kind == "image":
            return f"image-{plain}.tar"
        return plain + (_ending(self.url) if self.kind == "archive" else "")

    @property
    def is_pinned(self) -> bool:
        """Whether its checksum is known in advance, so that downloads are verified against it."""
        return bool(self.digest if self.image else self.sha256)

    @property
    def origin(self) -> str:
        """Where it comes from: the address of its file, or of its image; empty if it has neither."""
        return self.url or (f"https://{self.image}" if self.image else "")


def _ending(url: str) -> str:
    """The suffix of a file name that gives its format."""
    known = (".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip", ".tar", ".deb", ".yml", ".yaml")
    return next((ending for ending in known if url.endswith(ending)), "")


def architecture_of(config: Config) -> str:
    """The configured architecture of the nodes, else that of this machine; as release files name it."""
    return config.infrastructure.maybe_text("architecture") or _MACHINES.get(platform.machine(), "amd64")
