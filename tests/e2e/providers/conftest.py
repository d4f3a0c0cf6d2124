"""Daemons that are started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import dockerd, libvirtd
from tests.e2e import components
from tests.e2e.providers import dockerd as asking


@pytest.fixture(scope="session")
def docker_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dockerd.Dockerd]:
    """A Docker daemon of the tests' own, with the image that ``continuum image build`` makes."""
    if lack := dockerd.why_not():
        pytest.skip(lack)
    with dockerd.running(tmp_path_factory.mktemp("docker")) as daemon:
        dockerd.provide_image(daemon)
        asking.touch(daemon.url)
        yield daemon


@pytest.fixture
def docker_url(docker_daemon: dockerd.Dockerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The daemon's URL, also in the environment; no container may be left at the end."""
    monkeypatch.setenv("DOCKER_HOST", docker_daemon.url)
    before = asking.names(docker_daemon.url)
    yield docker_daemon.url
    assert asking.names(docker_daemon.url) == before


@pytest.fixture(scope="session")
def kubernetes_image(docker_daemon: dockerd.Dockerd) -> str:
    """An image for nodes with the packages that a container engine needs, so that no node installs them."""
    return dockerd.provide_image(docker_daemon, dockerd.KUBERNETES, dockerd.KUBERNETES_PACKAGES)


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """Folder of the base image for guests: the one this user has built, or one that is built now and kept."""
    if lack := libvirtd.missing_requirement():
        pytest.skip(lack)
    return libvirtd.provide_image()


@pytest.fixture(scope="session")
def libvirt_uri(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a libvirt daemon of the tests' own."""
    with libvirtd.daemon(tmp_path_factory.mktemp("libvirt")) as address:
        yield address


@pytest.fixture(scope="session")
def kubernetes_guest_image() -> Path:
    """A base image with the packages that a container engine needs, so that no guest installs them."""
    if lack := libvirtd.missing_requirement():
        pytest.skip(lack)
    return libvirtd.provide_image_with(libvirtd.KUBERNETES_PACKAGES)


@pytest.fixture(scope="session")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's artifacts are put."""
    return tmp_path_factory.mktemp("artifacts")


def _provide(folder: Path, group: str) -> Path:
    try:
        return components.provide(folder, [group])
    except components.LackError as lack:
        pytest.skip(str(lack))


@pytest.fixture(scope="session")
def cluster_artifacts(artifact_folder: Path) -> Path:
    """A folder with all artifacts of a cluster, and others; ``make components`` builds them ahead."""
    return _provide(artifact_folder, "cluster")


@pytest.fixture(scope="session")
def kubeedge_artifacts(artifact_folder: Path) -> Path:
    """The same folder, with KubeEdge."""
    return _provide(artifact_folder, "kubeedge")


@pytest.fixture(scope="session")
def openfaas_artifacts(artifact_folder: Path) -> Path:
    """The same folder, with OpenFaaS."""
    return _provide(artifact_folder, "openfaas")


@pytest.fixture(scope="session")
def gvisor_artifacts(artifact_folder: Path) -> Path:
    """The same folder, with gVisor."""
    return _provide(artifact_folder, "gvisor")


@pytest.fixture(scope="session")
def kwok_artifacts(artifact_folder: Path) -> Path:
    """The same folder, with KWOK."""
    return _provide(artifact_folder, "kwok")


LANES = {"clusters": "kubernetes_image", "containers": "docker_daemon", "guests": "guest_image"}
"""By marker, the fixture whose tests it selects; a test has the first marker that fits."""

BUILT = {"docker_daemon", "guest_image", "kubernetes_guest_image"}
"""Fixtures that may have to build an image."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the lane they run in; deadlines begin when what had to be built is there."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if found := [marker for marker, fixture in LANES.items() if fixture in names]:
            item.add_marker(found[0])
        if names & BUILT or any(name.endswith("_artifacts") for name in names):
            given = item.get_closest_marker("timeout")
            seconds = given.args[0] if given else float(item.config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)
    # What takes longest to be built comes last.
    items.sort(key=lambda item: "kubeedge_artifacts" in getattr(item, "fixturenames", ()))
