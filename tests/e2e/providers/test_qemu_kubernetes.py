"""A Kubernetes cluster of virtual machines, interpreted, under a libvirt daemon of the tests' own.

Other work on the test machine may make guests many times slower still; no deadline here is what a run takes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.providers import libvirtd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.long, pytest.mark.timeout(2400)]

TIMEOUT_S = 2000

CONFIG = (
    """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
qemu_boot_timeout = 15 min
artifact_dir = {artifacts}
cloud_nodes = 2
cloud_cores = 2
cloud_memory = 2 GB
[benchmark]
resource_manager = kubernetes
application = empty
sleep_time = 5 s
[run]
tolerance = 30 %, 50 ms
"""
    + program.TOLERATED
    + "\n"
)


def test_pods_of_two_guests_live_and_end(
    libvirt_uri: str, kubernetes_guest_image: Path, cluster_artifacts: Path, tmp_path: Path
) -> None:
    """A control plane and a worker, from the config to the result; nothing of them is left."""
    before = libvirtd.images(libvirt_uri)
    config = tmp_path / "guests.cfg"
    config.write_text(
        CONFIG.format(uri=libvirt_uri, image=kubernetes_guest_image, artifacts=cluster_artifacts)
    )
    done = program.run("-q", config, cwd=tmp_path, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    assert result["valid"]
    assert result["benchmark"]["resource_manager"] == "kubernetes"
    assert result["benchmark"]["requests"]["completed"] == result["benchmark"]["requests"]["sent"] == 1
    assert {one["node"] for one in result["deliveries"]} == {"cloud1"}
    steps = {one["step"]: one["seconds"] for one in result["installation"]}
    assert steps["Start the control plane, and join it"] > 0
    assert steps["ready"] > 0
    run_id = program.run_directory(tmp_path).name
    assert libvirtd.things(libvirt_uri) == []
    assert libvirtd.images(libvirt_uri) == before
    assert libvirtd.wires(run_id) == []
    assert libvirtd.processes(run_id) == []
