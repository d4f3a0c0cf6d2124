"""Virtual machines as nodes, under a libvirt daemon of the tests' own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from continuum.pipeline import open_run
from infrastructure.qemu import image, names
from tests.e2e import program
from tests.e2e.providers.guests import TIMEOUT_S, config, continuum
from tests.e2e.providers.libvirtd import things

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    homes = tmp_path_factory.mktemp("homes")
    return {**os.environ, "XDG_STATE_HOME": str(homes / "state"), "XDG_DATA_HOME": str(homes / "data")}


@pytest.fixture(scope="module")
def up(
    libvirt_uri: str, guest_image: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of a run that is up: a cloud node at half a processor, an endpoint with a slow disk."""
    folder = tmp_path_factory.mktemp("up")
    path = config(folder, libvirt_uri, guest_image, "cpu_pin = True\ncloud_read_speed = 8 MB/s")
    done = continuum("up", path, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    directory = program.run_directory(folder)
    yield directory
    done = continuum("down", directory, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    assert things(libvirt_uri) == []
    assert not Path("/sys/class/net", names.bridge(directory.name)).exists()
    assert not (directory / "keys").exists()


def inside(up: Path, node: str, script: str) -> str:
    connection = open_run.deployment(open_run.load(up)).connections[node]
    try:
        return connection.run(["sh", "-c", script], timeout=60).stdout
    finally:
        connection.close()


def test_a_guest_is_the_node_it_should_be(up: Path) -> None:
    assert inside(up, "endpoint0", "hostname; nproc").split() == ["endpoint0", "1"]
    memory_kb = int(inside(up, "endpoint0", "grep MemTotal /proc/meminfo").split()[1])
    assert 150 * 1024 < memory_kb < 256 * 1024
    assert inside(up, "endpoint0", "getent hosts cloud0").split()[1] == "cloud0"
    assert inside(up, "cloud0", "systemctl --failed --plain --no-legend") == ""


def test_a_guest_starts_what_a_node_needs_and_no_more(up: Path) -> None:
    """What a TCG-emulated guest starts it waits for; drivers and disks are there all the same."""
    options = inside(up, "cloud0", "findmnt -no OPTIONS /").strip().split(",")
    assert {"rw", "noatime"} <= set(options)
    devices = "for one in net/tun hwrng; do test -c /dev/$one || echo no $one; done"
    assert inside(up, "cloud0", f"{devices}; lsmod | grep ^kvm || true") == ""
    units = "systemctl list-units --plain --no-legend --state=active --type=service,mount"
    started = {line.split()[0] for line in inside(up, "cloud0", units).splitlines()}
    assert {"ssh.service", "continuum-seed.service"} <= started
    assert not {one for one in started if "getty" in one or one.startswith(("sys-", "modprobe"))}


def test_interpreted_guests_are_given_more_time(up: Path) -> None:
    deployment = open_run.deployment(open_run.load(up))
    for connection in deployment.connections.values():
        connection.close()
    assert deployment.timeout_scale > 1


def test_exec_passes_input_and_status_on(up: Path, environment: dict[str, str]) -> None:
    done = continuum(
        "exec", up, "cloud0", "--", "sh", "-c", "echo out; exit 7", cwd=up, environment=environment
    )
    assert (done.returncode, done.stdout) == (7, "out\n")


def test_links_are_shaped_in_both_guests(up: Path) -> None:
    """What guests take by themselves is off the delay, so it is at most what is configured."""
    queues = {node: inside(up, node, "tc qdisc show dev eth0") for node in ("cloud0", "endpoint0")}
    delays_ms = [float(re.findall(r"delay ([\d.]+)ms", queue)[0]) for queue in queues.values()]
    assert all(0 < delay_ms <= 100 for delay_ms in delays_ms)
    assert all("rate 10093Kbit" in queue for queue in queues.values())
    for node, other in (("cloud0", "endpoint0"), ("endpoint0", "cloud0")):
        rtt = inside(up, node, f"ping -q -c 5 -i 0.1 {other}").rpartition("=")[2].split("/")
        assert float(rtt[0]) >= 0.98 * sum(delays_ms)  # by the clocks of two guests


def test_limits_are_in_force_as_libvirt_reads_them_back(up: Path, libvirt_uri: str) -> None:
    """Quotas in CPU time, disks in bytes, and a CPU of this host for each guest alone."""
    import libvirt

    api = libvirt.open(libvirt_uri)
    try:
        cloud = api.lookupByName(names.domain(up.name, "cloud0"))
        endpoint = api.lookupByName(names.domain(up.name, "endpoint0"))
        limits = cloud.schedulerParameters()
        assert limits["vcpu_quota"] / limits["vcpu_period"] == 0.5
        assert endpoint.schedulerParameters()["vcpu_quota"] in (-1, 0, 17_592_186_044_415)
        rates = [one.blockIoTune("vda") for one in (cloud, endpoint)]
        assert [rate["read_bytes_sec"] for rate in rates] == [8_000_000, 0]
        assert [rate["write_bytes_sec"] for rate in rates] == [0, 5_000_000]
        pins = [cpus_of(one) for one in (cloud, endpoint)]
        assert [len(pin) for pin in pins] == [1, 1]
        assert pins[0] != pins[1]
        assert pins[0] | pins[1] <= os.sched_getaffinity(0)
    finally:
        api.close()


def cpus_of(domain: Any) -> set[int]:
    """The host's CPUs that a guest's only processor is pinned to, one of which it last ran on."""
    (pin,) = domain.vcpuPinInfo()
    pinned = {cpu for cpu, may in enumerate(pin) if may}
    processor = domain.vcpus()[0][0]
    assert processor[3] in pinned
    return pinned


def test_keys_are_this_users_alone(up: Path) -> None:
    for path in (up / "keys").iterdir():
        if path.suffix != ".pub" and path.name != "known_hosts":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((up / "keys").stat().st_mode) == 0o700


def test_clocks_of_guests_are_their_own(up: Path) -> None:
    connection = open_run.deployment(open_run.load(up)).connections["cloud0"]
    try:
        assert not connection.host_clock
        with connection.clock() as read:
            first, second = read(), read()
    finally:
        connection.close()
    assert second > first


def test_a_guest_that_does_not_come_up_is_named_with_its_console(
    libvirt_uri: str, guest_image: Path, environment: dict[str, str], tmp_path: Path, up: Path
) -> None:
    """Beside a run that is up, which has to stay."""
    before = things(libvirt_uri)
    broken = tmp_path / "broken"
    shutil.copytree(guest_image, broken)
    (broken / image.DISK).write_bytes(bytes(1 << 20))
    path = config(tmp_path, libvirt_uri, broken, "qemu_boot_timeout = 15 s")
    done = continuum("up", path, cwd=tmp_path, environment=environment)
    assert done.returncode == 4
    assert "the end of its console:" in done.stderr
    assert any(
        f"{node}: login failed until the time limit" in done.stderr for node in ("cloud0", "endpoint0")
    )
    assert things(libvirt_uri) == before


@pytest.mark.long  # what is left of a run without its folder, test_qemu_machines asks on two machines
def test_nothing_is_left_of_a_run_that_was_killed(
    libvirt_uri: str, guest_image: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """At the moment when its guests have started, with its folder gone; a run beside it stays."""
    before = things(libvirt_uri)
    own = {**environment, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = program.command("up", config(tmp_path, libvirt_uri, guest_image))
    with (tmp_path / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=tmp_path, env=own, stderr=errors, stdout=errors)
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while not any(name.endswith(".endpoint0") for name in set(things(libvirt_uri)) - set(before)):
            assert process.poll() is None, (tmp_path / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    shutil.rmtree(tmp_path / "runs")
    done = continuum("destroy", "--all", cwd=tmp_path, environment=own)
    assert done.returncode == 0, done.stderr
    assert things(libvirt_uri) == before


def test_a_daemon_that_is_not_there_is_said_before_anything_is_made(
    guest_image: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    path = config(tmp_path, f"qemu:///system?socket={tmp_path}/none", guest_image)
    done = continuum("up", path, cwd=tmp_path, environment=environment)
    assert done.returncode == 3
    assert "Failed to connect socket" in done.stderr
    assert not (tmp_path / "runs").exists()
