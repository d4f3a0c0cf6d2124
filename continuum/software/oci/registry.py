"""Pulls images from a registry as archives, by the distribution API, without a daemon."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from continuum.host.files import sha256_of
from continuum.software.download import DownloadError, Timeouts, document, download, mirrored
from continuum.software.oci.image import MANIFEST_TYPE, Parts, digest_of, pack
from continuum.software.oci.layer import Layer

_FORMS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    MANIFEST_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DEFAULT_REGISTRY, _ITS_HOST = "docker.io", "registry-1.docker.io"
_PARALLEL = 3
_T = TypeVar("_T")


@dataclass(frozen=True)
class Reference:
    """The name of an image.

    Attributes:
        registry: host, with its port if any.
        repository: name of the image in the registry.
        tag: the tag, or a digest.
    """

    registry: str
    repository: str
    tag: str

    def url(self, kind: str, name: str) -> str:
        """The address of a manifest or a blob of the image."""
        host = _ITS_HOST if self.registry == _DEFAULT_REGISTRY else self.registry
        scheme = "http" if re.fullmatch(r"(localhost|127\.[\d.]+)(:\d+)?", host) else "https"
        return f"{scheme}://{host}/v2/{self.repository}/{kind}/{name}"


def parse(text: str) -> Reference:
    """Parse a reference and add defaults: ``nginx`` is ``docker.io/library/nginx:latest``."""
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not re.search(r"[.:]|^localhost$", first):
        first, rest = _DEFAULT_REGISTRY, name if slash else f"library/{name}"
    repository, colon, tag = rest.rpartition(":")
    return Reference(first, repository if colon else rest, digest or (tag if colon else "latest"))


@dataclass
class Puller:
    """Pulls images.

    Attributes:
        blobs: folder of downloaded blobs, each stored under its hash.
        mirror: address of a mirror whose folders are named as registries; empty for the registries.
        timeouts: how long each download may take.
    """

    blobs: Path
    mirror: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    _tokens: dict[str, str] = field(default_factory=dict)

    def pull(self, reference: str, architecture: str, to: Path, *, digest: str = "") -> str:
        """Pull an image for one architecture and write its archive atomically.

        Args:
            reference: the image's full name.
            architecture: as in images, such as ``amd64``.
            to: the archive to write.
            digest: the required digest; empty for the current digest of the tag.

        Returns:
            The digest of the tag.

        Raises:
            DownloadError: the image is unavailable or has another digest.
        """
        try:
            return self._pull(reference, architecture, to, digest)
        except (ValueError, KeyError, TypeError) as error:
            raise DownloadError(f"unexpected response from the registry ({error})") from error

    def _pull(self, reference: str, architecture: str, to: Path, digest: str) -> str:
        image = parse(reference)
        manifest, top = self._manifest(image, digest or image.tag)
        if "manifests" in json.loads(manifest):
            manifest, _ = self._manifest(image, _for(architecture, json.loads(manifest)["manifests"]))
        described = json.loads(manifest)
        wanted = {one["digest"]: int(one["size"]) for one in [described["config"], *described["layers"]]}
        with ThreadPoolExecutor(_PARALLEL) as pool:
            paths = dict(zip(wanted, pool.map(lambda one: self._blob(image, one), wanted), strict=True))
        config = paths[described["config"]["digest"]].read_bytes()
        layers = [
            Layer(paths[one["digest"]], one["digest"], int(one["size"]), one["mediaType"])
            for one in described["layers"]
        ]
        pack(to, Parts(reference, config, manifest, layers, described.get("mediaType") or MANIFEST_TYPE))
        return top

    def _manifest(self, image: Reference, name: str) -> tuple[bytes, str]:
        """A manifest by tag or digest, and its digest."""
        url = mirrored(image.url("manifests", name), self.mirror)
        data = self._authorized(image, lambda headers: document(url, self.timeouts, headers)[0])
        found = digest_of(data)
        if name.startswith("sha256:") and found != name:
            raise DownloadError(f"its digest is {found} instead of {name}")
        return data, found

    def _blob(self, image: Reference, digest: str) -> Path:
        """The file of a blob; downloaded if missing."""
        path = self.blobs / digest.replace(":", "-")
        if path.is_file() and f"sha256:{sha256_of(path)}" == digest:
            return path
        self.blobs.mkdir(parents=True, exist_ok=True)
        part, url = path.with_suffix(".part"), mirrored(image.url("blobs", digest), self.mirror)

        def fetch(headers: Mapping[str, str]) -> None:
            download(url, part, self.timeouts, may_resume=True, headers=headers)

        self._authorized(image, fetch)
        if f"sha256:{sha256_of(part)}" != digest:
            part.unlink()
            raise DownloadError(f"a layer does not match its digest {digest}")
        part.replace(path)
        return path

    def _authorized(self, image: Reference, ask: Callable[[Mapping[str, str]], _T]) -> _T:
        """Send a request anonymously; fetch a token if the registry asks for one, and repeat it."""
        scope = f"{image.registry}/{image.repository}"
        try:
            return ask(self._headers(scope))
        except DownloadError as refused:
            if not refused.challenge:
                raise
            self._tokens[scope] = _token(refused.challenge, self.mirror, self.timeouts)
            return ask(self._headers(scope))

    def _headers(self, scope: str) -> dict[str, str]:
        token = self._tokens.get(scope)
        return {"Accept": ", ".join(_FORMS), **({"Authorization": f"Bearer {token}"} if token else {})}


def _for(architecture: str, manifests: Sequence[Mapping[str, Any]]) -> str:
    """The digest of the manifest for an architecture."""
    for one in manifests:
        platform = one.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return str(one["digest"])
    raise DownloadError(f"no image for linux/{architecture}")


def _token(challenge: str, mirror: str, timeouts: Timeouts) -> str:
    """An anonymous token from the service that a registry's challenge names."""
    kind, _, rest = challenge.partition(" ")
    asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if kind.lower() != "bearer" or "realm" not in asked:
        raise DownloadError(f"it requires unsupported authentication ({kind or 'unknown scheme'})")
    query = urllib.parse.urlencode({name: asked[name] for name in ("service", "scope") if name in asked})
    data, _ = document(mirrored(f"{asked['realm']}?{query}", mirror), timeouts)
    answer = json.loads(data)
    return str(answer.get("token") or answer["access_token"])
