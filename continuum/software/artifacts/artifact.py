"""One file that is installed on nodes: what it is called, where its project publishes it, its checksum."""

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
        name: what it is, as in ``kubelet``; unique among what one config needs.
        version: its own version, as in ``v1.33.4``.
        kind: ``binary`` (one program), ``image`` (archive of a container image) or ``archive`` (anything
            else that is packed).
        architecture: of the nodes it is for: ``amd64`` or ``arm64``.
        url: the file as its project releases it; empty where there is none.
        sha256: checksum of that file, as published; empty where none is known.
        image: full reference that a cluster knows an image by; empty for what is no image.
        digest: what the registry in that reference keeps the image under, as in ``sha256:...``, whatever
            its architecture; empty where none is known.
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
    def origin(self) -> str:
        """Where it comes from: the address of its file, else of its image; empty where there is neither."""
        return self.url or (f"https://{self.image}" if self.image else "")


def _ending(url: str) -> str:
    """The ending that says how a file is packed."""
    known = (".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip", ".tar", ".deb", ".yml", ".yaml")
    return next((ending for ending in known if url.endswith(ending)), "")


def architecture_of(config: Config) -> str:
    """The architecture of a config's nodes, as release files name it: what it says, else this machine's."""
    return config.infrastructure.maybe_text("architecture") or _MACHINES.get(platform.machine(), "amd64")
