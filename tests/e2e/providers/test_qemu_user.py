"""Virtual machines of an ordinary user, under a libvirt daemon of that user's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.providers import account
from tests.e2e.providers.account import Account

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(400)]

TIMEOUT_S = 360

CONFIG = """\
[infrastructure]
provider = qemu
qemu_uri = qemu:///session
qemu_acceleration = tcg
qemu_image = {image}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 256 MiB
cloud_quota = 0.5
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MiB
infra_only = True
[link cloud-endpoint]
latency = 100 ms
jitter = 0 ms
bandwidth = 10 Mbit
"""


@pytest.fixture(scope="module")
def somebody(guest_image: Path) -> Iterator[Account]:
    with account.user(guest_image) as made:
        if lack := account.lacking(made):
            pytest.skip(lack)
        (made.home / "test.cfg").write_text(CONFIG.format(image=guest_image))
        yield made


def continuum(who: Account, *arguments: object) -> str:
    done = who.run(*program.command(*arguments), timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def things(who: Account) -> list[str]:
    import libvirt

    api = libvirt.open(who.uri)
    try:
        every = [*api.listAllDomains(), *api.listAllStoragePools()]
        return account.names([one.name() for one in every])
    finally:
        api.close()


def test_guests_of_an_ordinary_user_reach_each_other_and_nobody_else(somebody: Account) -> None:
    with account.daemon(somebody):
        before = listening(somebody)
        run_id = continuum(somebody, "up", "test.cfg").splitlines()[-1]
        try:
            for node, peer in (("cloud0", "endpoint0"), ("endpoint0", "cloud0")):
                said = continuum(
                    somebody, "exec", run_id, node, "--", "ping", "-q", "-c", "5", "-i", "0.1", peer
                )
                assert float(said.rpartition("=")[2].split("/")[0]) >= 100  # some is taken off
            assert all(address.startswith("127.") for address in listening(somebody) - before)
            notes = json.loads((somebody.home / "runs" / run_id / "notes.json").read_text())
            assert any("CPU quotas of guests are not applied" in note for note in notes)
            assert len(things(somebody)) == 4  # two guests, their switch, a pool
        finally:
            continuum(somebody, "down", run_id)
        assert things(somebody) == []
        assert not (somebody.home / "runs" / run_id / "guests").exists()


def listening(who: Account) -> set[str]:
    """Addresses, with ports, at which anything of the user's is bound."""
    found = set()
    for table in ("tcp", "udp"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[7] == str(account.USER_ID) and words[3] in ("0A", "07"):
                number, port = words[1].split(":")
                address = ".".join(str(byte) for byte in reversed(bytes.fromhex(number)))
                found.add(f"{address}:{int(port, 16)}")
    return found


def test_without_the_right_to_the_system_daemon_the_remedy_is_said(
    somebody: Account, libvirt_uri: str
) -> None:
    """Its socket is in a folder of root's alone."""
    text = (somebody.home / "test.cfg").read_text()
    (somebody.home / "system.cfg").write_text(text.replace("qemu:///session", libvirt_uri))
    done = somebody.run(*program.command("up", "system.cfg"), timeout=TIMEOUT_S)
    assert done.returncode == 3
    assert "Permission denied" in done.stderr
    assert "usermod -aG libvirt" in done.stderr
    assert "qemu_uri = qemu:///session" in done.stderr
