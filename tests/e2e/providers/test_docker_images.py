"""Images of workloads in the runtimes they are for: Docker's daemon and containerd."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import containerd, dockerd
from continuum.model.workload import Workload
from continuum.software import oci
from continuum.software.oci import workload
from continuum.software.oci.workload import WorkloadImage, workload_image
from infrastructure.docker.engine_api import client

pytestmark = [pytest.mark.providers, pytest.mark.root]

PROGRAM = """\
import os, ssl, sys, packaging, continuum.sdk.session
from pathlib import Path
print(sys.version_info[:2] >= (3, 10), packaging.__file__, Path("note").read_text(), os.path.expanduser("~"))
"""
ANSWER = "True /opt/continuum/environment/lib/python3.11/site-packages/packaging/__init__.py hello /root\n"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    note = tmp_path_factory.mktemp("files") / "note"
    note.write_text("hello")
    return Workload(
        "worker",
        "cloud",
        ("{python}", "-c", PROGRAM),
        files={"note": note},
        requirements=("packaging",),
        code=("continuum.sdk.session",),
    )


@pytest.fixture(scope="module")
def image(planned: Workload) -> WorkloadImage:
    if lack := dockerd.why_not():
        pytest.skip(lack)
    return workload_image(planned)


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """The command ctr, for a containerd of this test's own."""
    if lack := containerd.why_not():
        pytest.skip(lack)
    with containerd.running(tmp_path) as daemon:
        yield daemon.ctr


def test_docker_loads_it_and_the_workload_finds_all_it_needs(
    docker_url: str, planned: Workload, image: WorkloadImage
) -> None:
    api = client(docker_url)
    with image.path.open("rb") as file:
        said = "".join(str(line) for line in api.load_image(file))
    assert image.reference in said
    try:
        argv = [image.python if word == "{python}" else word for word in planned.argv]
        wanted = {"Image": image.reference, "Cmd": argv, "HostConfig": {"NetworkMode": "none"}}
        made = api.create_container_from_config(wanted)["Id"]
        try:
            api.start(made)
            status = api.wait(made, timeout=60)["StatusCode"]
            assert (status, api.logs(made).decode()) == (0, ANSWER)
        finally:
            api.remove_container(made, force=True)
        assert api.inspect_image(image.reference)["Id"] == image.image.id
    finally:
        api.remove_image(image.reference, force=True)


def test_containerd_takes_a_change_of_code_without_the_rest(
    ctr: Callable[..., str],
    planned: Workload,
    image: WorkloadImage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ctr("images", "import", str(image.path))
    assert ctr("run", "--rm", image.reference, "one", image.python, "-c", PROGRAM) == ANSWER
    checkout = tmp_path / "checkout"
    shutil.copytree(workload.CHECKOUT / "continuum", checkout / "continuum")
    (checkout / "changed.py").write_text("print('changed')\n")
    monkeypatch.setattr(workload, "CHECKOUT", checkout)
    other = workload_image(replace(planned, code=("continuum.sdk.session", "changed")))
    there = ctr("content", "ls", "--quiet").split()
    missing = [layer for layer in other.image.layers if layer.digest not in there]
    assert missing == [other.image.layers[-1]]
    rest = oci.thin(other.path, tmp_path / "rest.tar", there)
    assert rest.stat().st_size < 2 * missing[0].size_bytes
    ctr("images", "import", str(rest))
    said = ctr("run", "--rm", other.reference, "two", image.python, "-m", "changed")
    assert said == "changed\n"
