"""Nodes from an image of a registry: pulled where it is missing, and what is said where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dockerd import Dockerd
from infrastructure.docker import images
from infrastructure.docker.engine_api import client
from tests.e2e import program, registry
from tests.e2e.providers import dockerd
from tests.e2e.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(600)]  # Go compiles at first

MARK = "/etc/from-the-registry"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if lack := registry.why_not():
        pytest.skip(lack)
    with registry.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def pushed(docker_daemon: Dockerd, serving: Registry) -> str:
    """An image for nodes that the registry has: the one of the tests, and a layer of its own."""
    name = f"{serving.address}/team/node"
    api = client(docker_daemon.url)
    made = api.create_container_from_config(
        {"Image": images.BUILT, "Cmd": ["touch", MARK], "HostConfig": {"NetworkMode": "none"}}
    )["Id"]
    api.start(made)
    assert api.wait(made)["StatusCode"] == 0
    api.commit(made, name, "1")
    api.remove_container(made)
    said = list(api.push(name, "1", stream=True, decode=True))
    assert not [line for line in said if "error" in line]
    return f"{name}:1"


@pytest.fixture
def missing(docker_daemon: Dockerd, pushed: str) -> Iterator[str]:
    """The pushed image, which the daemon does not have any more, nor its last layer."""
    _forget(client(docker_daemon.url), pushed)
    yield pushed
    _forget(client(docker_daemon.url), pushed)


def _forget(api: Any, image: str) -> None:
    with suppress(Exception):
        api.remove_image(image)


def _up(image: str, folder: Path) -> Any:
    return program.run(
        "up", program.config(folder, infrastructure=f"provider = docker\ndocker_image = {image}"), cwd=folder
    )


def test_an_image_is_pulled_for_the_nodes(missing: str, docker_url: str, tmp_path: Path) -> None:
    up = _up(missing, tmp_path)
    assert up.returncode == 0, up.stderr
    run_id = up.stdout.split()[-1]
    assert program.run("exec", run_id, "edge0", "--", "test", "-e", MARK, cwd=tmp_path).returncode == 0
    assert program.run("down", run_id, cwd=tmp_path).returncode == 0


def test_an_image_may_be_named_by_its_digest(missing: str, docker_url: str) -> None:
    api = client(docker_url)
    images.pull(docker_url, missing)
    (digest,) = api.inspect_image(missing)["RepoDigests"]
    _forget(api, missing)
    assert not images.has(docker_url, digest)
    assert images.choose(docker_url, digest) == digest
    assert images.has(docker_url, digest)
    _forget(api, digest)


def test_an_image_that_the_registry_does_not_have(pushed: str, docker_url: str, tmp_path: Path) -> None:
    absent = pushed.replace(":1", ":2")
    with dockerd.no_leaks(docker_url):
        up = _up(absent, tmp_path)
    assert up.returncode == 4
    assert f"image {absent} is not on this machine and cannot be pulled (manifest for {absent} not found" in (
        up.stderr
    )
    assert "continuum image build --provider docker" in up.stderr


def test_a_registry_that_has_lost_a_layer(
    missing: str, serving: Registry, docker_url: str, tmp_path: Path
) -> None:
    """It answers at first, so that the pull begins; then it cannot go on."""
    kept = {blob: blob.read_bytes() for blob in serving.blobs()[:-1]}
    layers = [blob for blob, data in kept.items() if data.startswith(b"\x1f\x8b")]
    assert layers
    try:
        for layer in layers:
            layer.unlink()
        up = _up(missing, tmp_path)
    finally:
        for blob, data in kept.items():
            blob.write_bytes(data)
    assert up.returncode == 4
    assert f"image {missing} is not on this machine and cannot be pulled (" in up.stderr
    assert "Traceback" not in up.stderr


def test_a_registry_that_is_gone(missing: str, serving: Registry, docker_url: str, tmp_path: Path) -> None:
    serving.stop()  # the last test of this file
    with dockerd.no_leaks(docker_url):
        up = _up(missing, tmp_path)
    assert up.returncode == 4
    assert f"image {missing} is not on this machine and cannot be pulled (" in up.stderr
    assert "connection refused" in up.stderr
