"""A Docker daemon for the tests of this folder, and what can be asked of it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from benchmarks import dockerd
from continuum.connection.docker_api import client
from infrastructure.docker import images


def why_not() -> str:
    """Why these tests cannot run here; empty when they can. Fails where they must run."""
    lack = dockerd.why_not()
    if lack and "docker" in os.environ.get("CONTINUUM_E2E", ""):
        pytest.fail(f"CONTINUUM_E2E names docker: {lack}")
    return lack


def containers(url: str) -> list[dict[str, Any]]:
    """Every container the daemon knows, whatever its state."""
    found: list[dict[str, Any]] = client(url).containers(all=True)
    return found


def names(url: str) -> list[str]:
    """Names of all containers, without the slash."""
    return sorted(one["Names"][0].lstrip("/") for one in containers(url))


def touch(url: str) -> None:
    """Have the daemon make and remove a container, so that what it makes once and keeps is there."""
    api = client(url)
    made = api.create_container_from_config(
        {"Image": images.BUILT, "Cmd": ["/bin/true"], "HostConfig": {"NetworkMode": "none"}}
    )["Id"]
    api.start(made)
    api.wait(made)
    api.remove_container(made, force=True)
