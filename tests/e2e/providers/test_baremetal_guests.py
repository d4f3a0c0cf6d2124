"""The provider ``baremetal`` with virtual machines as hosts: kernels with netem, real networks, real losses.

Guests are made once, by the provider ``qemu``, and freed of the queues it put on them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from continuum.connection.ssh import hosts
from continuum.connection.ssh.connection import SshConnection
from continuum.pipeline import open_run
from infrastructure.qemu import names
from tests.e2e import program

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.slow, pytest.mark.timeout(900)]

TIMEOUT_S = 400
"""For one command: guests are interpreted, on processors that others use, too."""

DELAY_MS = 150
"""Well above what the guests' own network takes, however busy this machine is."""

GUESTS = """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 256 MiB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MiB
network_emulation = False
infra_only = True
"""

HOSTS = (
    """\
[infrastructure]
provider = baremetal
baremetal_cloud = root@{cloud}
baremetal_endpoint = root@{endpoint}
baremetal_key = {key}
baremetal_ssh_config = {ssh}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 128 MiB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 128 MiB
network_emulation = True
[link cloud-endpoint]
latency = {delay} ms
jitter = 0 ms
bandwidth = 10 Mbit
[benchmark]
application = empty
sleep_time = {sleep}
[run]
tolerance = 100 %, 1 s
"""
    + program.TOLERATED
    + "\n"
)

SSH = """\
Host *
    UserKnownHostsFile {known}
    GlobalKnownHostsFile none
    IdentitiesOnly yes
"""


@dataclass(frozen=True)
class Guests:
    """Two guests that serve as hosts; their own names are not those of the nodes they become.

    Attributes:
        outer: folder of the run they are nodes of.
        uri: of the daemon they run under.
    """

    outer: Path
    uri: str

    @property
    def addresses(self) -> tuple[str, str]:
        """Of the hosts that become ``cloud0`` and ``endpoint0``."""
        known = {node.name: node.address for node in open_run.nodes(open_run.load(self.outer))}
        return known["endpoint0"], known["cloud0"]

    def on(self, guest: str, script: str) -> str:
        """What a shell on a guest says, asked past the provider under test."""
        connection = open_run.deployment(open_run.load(self.outer)).connections[guest]
        try:
            return connection.run(["sh", "-c", script], timeout=TIMEOUT_S).stdout
        finally:
            connection.close()

    def wait_for(self, guest: str) -> None:
        """Return when a guest that starts can be logged into."""
        connection = open_run.deployment(open_run.load(self.outer)).connections[guest]
        assert isinstance(connection, SshConnection)
        try:
            hosts.wait_reachable(connection, time.monotonic() + TIMEOUT_S)
        finally:
            connection.close()

    def queues(self, guest: str) -> str:
        return self.on(guest, "tc qdisc show dev eth0")

    def changed(self, guest: str) -> list[str]:
        """What has changed on a guest's disk since ``begin``, the packages of workloads apart."""
        found = self.on(guest, "find / -xdev -newer /run/begun").split()
        return [path for path in found if not path.startswith("/var/lib/continuum/packages")]

    def begin(self, guest: str) -> None:
        self.on(guest, "tc qdisc del dev eth0 root 2>/dev/null; sleep 1; touch /run/begun; sleep 1")

    def switch_off(self, guest: str) -> str:
        """Cut a guest's power; what is needed to start it again."""
        import libvirt

        api = libvirt.open(self.uri)
        try:
            domain = api.lookupByName(names.domain(self.outer.name, guest))
            description: str = domain.XMLDesc(0)
            domain.destroy()
        finally:
            api.close()
        return description

    def switch_on(self, description: str) -> None:
        import libvirt

        api = libvirt.open(self.uri)
        try:
            api.createXML(description)
        finally:
            api.close()


@pytest.fixture(scope="module")
def guests(libvirt_uri: str, guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    folder = tmp_path_factory.mktemp("guests")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    config = folder / "guests.cfg"
    config.write_text(GUESTS.format(uri=libvirt_uri, image=guest_image))
    try:
        up = program.run("up", config, cwd=folder, timeout_s=TIMEOUT_S)
        assert up.returncode == 0, up.stderr
        made = Guests(program.run_directory(folder), libvirt_uri)
        for guest in ("cloud0", "endpoint0"):
            made.begin(guest)
        yield made
        down = program.run("down", made.outer, cwd=folder, timeout_s=TIMEOUT_S)
        assert down.returncode == 0, down.stderr
    finally:
        patch.undo()


def config(folder: Path, guests: Guests, *, sleep: int = 20, known: Path | None = None) -> Path:
    keys = guests.outer / "keys"
    ssh = folder / "ssh_config"
    ssh.write_text(SSH.format(known=known or keys / "known_hosts"))
    cloud, endpoint = guests.addresses
    path = folder / "hosts.cfg"
    path.write_text(
        HOSTS.format(
            cloud=cloud, endpoint=endpoint, key=keys / "id_ed25519", ssh=ssh, delay=DELAY_MS, sleep=sleep
        )
    )
    return path


def delay_ms(queues: str) -> float:
    """What netem adds, as ``tc`` says it."""
    (found,) = re.findall(r"netem .* delay ([\d.]+)ms", queues)
    return float(found)


def test_hosts_are_shaped_for_a_run_and_then_as_they_were(tmp_path: Path, guests: Guests) -> None:
    before = {guest: guests.queues(guest) for guest in ("cloud0", "endpoint0")}
    with program.started(config(tmp_path, guests), cwd=tmp_path) as process:
        program.wait_for("  shape ", tmp_path, process, TIMEOUT_S)
        queues = {guest: guests.queues(guest) for guest in before}
        rtt = guests.on("cloud0", f"ping -q -c 3 {guests.addresses[0]}").rpartition("=")[2].split("/")
        assert process.wait(TIMEOUT_S) == 0, (tmp_path / "stderr").read_text()
    state = json.loads((program.run_directory(tmp_path) / "state.json").read_text())
    (native_ms,) = {round(delay, 3) for _, _, delay in state["native_delays_ms"]}
    assert 0 < native_ms < DELAY_MS
    for text in queues.values():
        assert delay_ms(text) == pytest.approx(DELAY_MS - native_ms, abs=1)
        assert "rate 10" in text
    assert float(rtt[0]) >= 2 * (DELAY_MS - native_ms)
    assert {guest: guests.queues(guest) for guest in before} == before
    for guest in before:
        assert guests.changed(guest) in ([], ["/var/lib"], ["/var/lib", "/var/lib/continuum"])
    check_result(program.result(tmp_path))


def check_result(result: dict[str, Any]) -> None:
    """Nodes have clocks of their own, and whatever crosses from one to the other carries their error."""
    assert result["valid"], result["invalid_reasons"]
    assert {link["src"] for link in result["network"]} == {"cloud", "endpoint"}
    assert set(result["clocks"]) == {"cloud0", "endpoint0"}
    assert all(clock["error_ms"] > 0 for clock in result["clocks"].values())
    lives = result["lifecycle"]
    assert set(lives["reached"].values()) == {1}
    assert lives["since_created_ms"]["ready"]["clock_error"] > 0
    assert lives["step_ms"]["ready"]["clock_error"] > 0


def test_a_host_that_is_not_who_it_should_be_is_refused(tmp_path: Path, guests: Guests) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1JcrmyRIWmeVHBqLRKqrLaGWFSBXzAQNVQEIpzbVSb"
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"{address} {other}\n" for address in guests.addresses))
    done = program.run("up", config(tmp_path, guests, known=known), cwd=tmp_path, timeout_s=TIMEOUT_S)
    assert done.returncode == 3
    assert "cloud0: " in done.stderr
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_host_that_loses_its_power_ends_the_run_and_is_cleaned_up_when_it_is_back(
    tmp_path: Path, guests: Guests
) -> None:
    """The guest ``endpoint0`` is the node ``cloud0``, where the workload sleeps."""
    before = guests.queues("cloud0")
    with program.started(config(tmp_path, guests, sleep=3600), cwd=tmp_path) as process:
        program.wait_for("  verify ", tmp_path, process, TIMEOUT_S)
        description = guests.switch_off("endpoint0")
        try:
            assert process.wait(TIMEOUT_S) in {5, 6}
            said = (tmp_path / "stderr").read_text()
            assert "Traceback" not in said
            assert re.search(r"cloud0: (the connection to )?root@\S+ (was lost|cannot be reached)", said)
            run_id = program.run_directory(tmp_path).name
            assert f"continuum destroy {run_id}" in said
            assert guests.queues("cloud0") == before
            again = program.run("destroy", run_id, cwd=tmp_path, timeout_s=TIMEOUT_S)
            assert again.returncode == 4
            assert "cloud0: root@" in again.stderr
        finally:
            guests.switch_on(description)
    guests.wait_for("endpoint0")
    assert run_id in guests.on("endpoint0", "ls /var/lib/continuum")
    done = program.run("destroy", "--all", cwd=tmp_path, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert run_id not in guests.on("endpoint0", "ls /var/lib/continuum 2>/dev/null || true")
