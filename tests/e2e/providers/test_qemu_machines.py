"""Virtual machines on two machines: this one, and one with a network, libvirt and ssh daemon of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from continuum.pipeline import open_run
from infrastructure.qemu import switch
from tests.e2e import program
from tests.e2e.providers import machine
from tests.e2e.providers.libvirtd import things
from tests.e2e.providers.machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.providers,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(machine.WHY_NOT), reason=machine.WHY_NOT),
]

TIMEOUT_S = 360
"""For one command: guests boot on processors that others use, too."""

CONFIG = """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
external_physical_machines = {other}
qemu_image = {image}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 320 MiB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MiB
infra_only = True
[link cloud-endpoint]
latency = 100 ms
jitter = 0 ms
bandwidth = 10 Mbit
"""

ONE = """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
qemu_nat = True
edge_nodes = 1
edge_cores = 1
edge_memory = 256 MiB
infra_only = True
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine.running(tmp_path_factory.mktemp("other")) as made:
        yield made


def continuum(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(cwd / "state")}
    return subprocess.run(
        program.command(*arguments),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path, libvirt_uri: str, other: Machine, guest_image: Path) -> Path:
    path = tmp_path / "test.cfg"
    path.write_text(CONFIG.format(uri=libvirt_uri, other=other.uri, image=guest_image))
    return path


def test_nodes_of_two_machines_are_one_system(
    config: Path, tmp_path: Path, libvirt_uri: str, other: Machine
) -> None:
    before = things(libvirt_uri)
    planned = continuum("plan", config, "--json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    where = {node["name"]: node["machine"] for node in json.loads(planned.stdout)["nodes"]}
    assert set(where.values()) == {libvirt_uri, f"root@{other.address}"}

    up = continuum("up", config, cwd=tmp_path)
    assert up.returncode == 0, up.stderr
    directory = program.run_directory(tmp_path)
    deployment = open_run.deployment(open_run.load(directory))
    try:
        assert {node.handle["uri"] for node in deployment.nodes} == {libvirt_uri, other.uri}
        for uri in (libvirt_uri, other.direct_uri):
            assert len([name for name in things(uri) if name.endswith((".cloud0", ".endpoint0"))]) == 1
        for node, peer in (("cloud0", "endpoint0"), ("endpoint0", "cloud0")):
            connection = deployment.connections[node]
            script = f"hostname; cat /sys/class/net/eth0/mtu; ping -q -c 5 -i 0.1 {peer}"
            said = connection.run(["sh", "-c", script], timeout=60).stdout
            assert said.split()[:2] == [node, str(switch.MTU_BYTES)]
            assert float(said.rpartition("=")[2].split("/")[0]) >= 100  # some is taken off
    finally:
        for one in deployment.connections.values():
            one.close()
        down = continuum("down", directory, cwd=tmp_path)
    assert down.returncode == 0, down.stderr
    assert things(libvirt_uri) == before
    assert things(other.direct_uri) == []
    assert other.processes() == []


def test_nothing_is_left_on_either_after_a_kill(
    config: Path, tmp_path: Path, libvirt_uri: str, other: Machine
) -> None:
    """At the moment when guests have started on both, with the run's folder gone."""
    before = things(libvirt_uri)
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with (tmp_path / "stderr").open("w") as errors:
        process = subprocess.Popen(
            program.command("up", config), cwd=tmp_path, env=environment, stderr=errors, stdout=errors
        )
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while not all(_has_guest(set(things(uri)) - set(before)) for uri in (libvirt_uri, other.direct_uri)):
            assert process.poll() is None, (tmp_path / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert other.processes()
    shutil.rmtree(tmp_path / "runs")
    done = continuum("destroy", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert things(libvirt_uri) == before
    assert things(other.direct_uri) == []
    assert other.processes() == []


def test_one_machine_elsewhere_is_as_one_here(tmp_path: Path, other: Machine, guest_image: Path) -> None:
    """With a network of libvirt's there, which translates addresses, and ssh through that machine."""
    path = tmp_path / "one.cfg"
    path.write_text(ONE.format(uri=other.uri, image=guest_image))
    up = continuum("up", path, cwd=tmp_path)
    assert up.returncode == 0, up.stderr
    run_id = up.stdout.splitlines()[-1]
    try:
        with socket.create_server((other.gateway, 0)) as server:
            port = server.getsockname()[1]
            goal = f"('{other.gateway}', {port})"
            knock = f"import socket; print(socket.create_connection({goal}).getsockname()[0])"
            said = continuum("exec", run_id, "edge0", "--", "python3", "-c", knock, cwd=tmp_path)
            server.settimeout(1)
            _, (source, _) = server.accept()
        assert said.stdout.startswith("192.168.")
        assert source == other.address
    finally:
        down = continuum("down", run_id, cwd=tmp_path)
    assert down.returncode == 0, down.stderr
    assert things(other.direct_uri) == []
    assert other.processes() == []


def test_a_machine_that_lets_nobody_in_is_named(config: Path, tmp_path: Path, other: Machine) -> None:
    stranger = config.with_name("stranger.cfg")
    stranger.write_text(config.read_text().replace(other.uri, f"root@{other.address}"))
    done = continuum("up", stranger, cwd=tmp_path)
    assert done.returncode == 3
    assert f"this must work: ssh -o BatchMode=yes root@{other.address}" in done.stderr
    assert not (tmp_path / "runs").exists()


def _has_guest(names: set[str]) -> bool:
    return any(name.endswith((".cloud0", ".endpoint0")) for name in names)
