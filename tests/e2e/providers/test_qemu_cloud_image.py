"""A guest of a cloud image, which learns who it is by cloud-init from the seed's own medium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from continuum.connection import Connection
from continuum.pipeline import open_run
from tests.e2e import program
from tests.e2e.file_server import Files, serving
from tests.e2e.providers import cloud_image
from tests.e2e.providers.libvirtd import things

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(1200)]

TIMEOUT_S = 900
CONFIG = """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {url}/cloud.qcow2
qemu_image_sha256 = {sha256}
qemu_boot_timeout = 13 min
edge_nodes = 1
edge_cores = 1
edge_memory = 512 MiB
infra_only = True
"""


@pytest.fixture(scope="module")
def guest(libvirt_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """The connection to the one guest of a run, whose image was fetched by its address."""
    folder = tmp_path_factory.mktemp("cloud")
    own = {"XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data")}
    data = cloud_image.provide(folder).read_bytes()
    with serving(Files({"cloud.qcow2": data})) as files:
        text = CONFIG.format(uri=libvirt_uri, url=files.address, sha256=hashlib.sha256(data).hexdigest())
        (folder / "cloud.cfg").write_text(text, encoding="utf-8")
        up = program.run("up", "cloud.cfg", cwd=folder, env=own, timeout_s=TIMEOUT_S)
    assert up.returncode == 0, up.stderr
    directory = program.run_directory(folder)
    connection = open_run.deployment(open_run.load(directory)).connections["edge0"]
    try:
        yield connection
    finally:
        connection.close()
        down = program.run("down", directory, cwd=folder, env=own)
    assert down.returncode == 0, down.stderr
    assert not [name for name in things(libvirt_uri) if directory.name in name]


def ask(guest: Connection, script: str) -> str:
    return guest.run(["sh", "-c", script], timeout=120).stdout.strip()


def test_cloud_init_has_read_the_seed(guest: Connection) -> None:
    assert ask(guest, "cloud-id") == "nocloud"
    assert ask(guest, "cloud-init status") == "status: done"
    assert ask(guest, "ls /etc/systemd/system/continuum* 2>/dev/null || true") == ""


def test_it_is_the_node_it_should_be(guest: Connection) -> None:
    assert ask(guest, "hostname; cat /etc/hostname").split() == ["edge0", "edge0"]
    address = ask(guest, "getent hosts edge0").split()[0]
    assert f" {address}/24 " in ask(guest, "ip -4 address show dev eth0")
    assert ask(guest, "systemctl --failed --plain --no-legend") == ""
    assert ask(guest, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource") == "hpet"


def test_it_is_opened_by_the_runs_key_alone(guest: Connection) -> None:
    keys = ask(guest, "cat /root/.ssh/authorized_keys").splitlines()
    assert [key.split()[0] for key in keys] == ["ssh-ed25519"]
    assert ask(guest, "ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key"
    daemon = ask(guest, "/usr/sbin/sshd -T")
    assert "passwordauthentication no" in daemon
    assert "maxsessions 500" in daemon
