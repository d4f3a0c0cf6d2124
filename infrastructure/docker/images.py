"""Images of nodes: selects, pulls and builds them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from continuum.errors import ProvisionError
from continuum.software.debian_image import NODE_PACKAGES, ImageRequest, debian_root
from infrastructure.docker.engine_api import DaemonError, client, daemon_errors

BUILT = "continuum-node"
"""Default name of the image that ``continuum image build`` makes."""

PULLED = "python:3.11-slim-bookworm"
"""The image that is pulled if the config names none and none was built."""

BUILD = f"continuum image build --provider docker (makes {BUILT} from Debian packages, no registry needed)"
_NOT_FOUND = 404


def choose(url: str, wanted: str | None) -> str:
    """The image for a run's nodes, pulled if the daemon does not have it.

    Args:
        url: the daemon.
        wanted: name from the config; None for the default.

    Raises:
        ProvisionError: it cannot be pulled.
    """
    for name in [wanted] if wanted else [BUILT, PULLED]:
        if has(url, name):
            return name
    name = wanted or PULLED
    pull(url, name)
    return name


def has(url: str, name: str) -> bool:
    """Whether the daemon has an image of this name."""
    try:
        with daemon_errors(url):
            client(url).inspect_image(name)
    except DaemonError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    return True


def pull(url: str, name: str) -> None:
    """Pull an image from its registry.

    Raises:
        ProvisionError: the registry does not have it, or does not answer.
    """
    repository, _, tag = name.partition("@") if "@" in name else _split(name)
    refusal = ""
    try:
        with daemon_errors(url):
            for message in client(url).pull(repository, tag=tag or None, stream=True, decode=True):
                # Errors after the start of a pull arrive as messages of the stream.
                refusal = str(message.get("error", refusal))
    except DaemonError as error:
        if not error.status:
            raise
        refusal = str(error)
    if refusal:
        raise ProvisionError(
            f"image {name} is not on this machine and cannot be pulled ({_first_line(refusal)});"
            f" load it with docker load, set docker_image to another image, or run: {BUILD}"
        )


def _split(name: str) -> tuple[str, str, str]:
    head, slash, last = name.rpartition("/")
    base, colon, tag = last.partition(":")
    return f"{head}{slash}{base}", colon, tag or "latest"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0]


def build(url: str, name: str, request: ImageRequest) -> str:
    """Build an image from Debian packages; returns its name.

    Raises:
        HostError: a tool is missing.
        ProvisionError: the build fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "root.tar"
        debian_root(request, NODE_PACKAGES, archive)
        request.say(f"docker import {archive.name} {name}")
        load_root(url, archive, name)
    return name


def load_root(url: str, archive: Path, name: str) -> None:
    """Import the tar archive of a root file system as an image."""
    repository, _, tag = _split(name)
    with daemon_errors(url, f"image {name}"):
        api: Any = client(url)
        with archive.open("rb") as file:
            answer = str(api.import_image_from_data(file, repository=repository, tag=tag))
    if '"error"' in answer:
        raise ProvisionError(f"Docker did not import image {name}: {answer}")
