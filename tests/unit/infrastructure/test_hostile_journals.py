"""A journal that names what is not of its run: no provider connects to it, deletes or executes it."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from continuum.errors import LeftBehindError, ProvisionError
from continuum.host.cgroup import find
from continuum.rundir.run import Run
from infrastructure.baremetal import provider as baremetal
from infrastructure.baremetal.settings import NamedHost
from infrastructure.docker import container
from infrastructure.docker import provider as docker
from infrastructure.gcp import delete, known_locations
from infrastructure.gcp import provider as gcp
from infrastructure.gcp.settings import CloudLocation
from infrastructure.local import provider as local
from infrastructure.qemu import known_daemons, removal
from infrastructure.qemu.provider import QemuProvider


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that keeps what it says in ``said``."""
    made = Run(tmp_path / "20260101-000000-x")
    made.directory.mkdir()
    return made


def said_of(run: Run) -> list[str]:
    lines: list[str] = []
    run.tell = lines.append
    return lines


def test_gcp_sends_credentials_to_no_address_that_only_a_journal_names(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[CloudLocation] = []
    monkeypatch.setattr(gcp.GcpProvider, "_cloud", lambda _self, location: connected.append(location))
    monkeypatch.setattr(delete, "delete", lambda *_: None)
    hostile = CloudLocation("p", "r", "r-a", api="http://attacker.example")
    with pytest.raises(ProvisionError, match=r"not connected to http://attacker\.example"):
        gcp.GcpProvider().destroy(run, [(gcp.LOCATION, hostile.to_json()), (gcp.LOCATION, "damaged")])
    assert connected == []
    known_locations.remember(hostile)
    gcp.GcpProvider().destroy(run, [(gcp.LOCATION, hostile.to_json())])
    assert connected == [hostile]
    gcp.GcpProvider().destroy(run, [])  # a journal that names none: look wherever this user was
    assert connected == [hostile, hostile]


def test_gcp_deletes_only_names_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Sequence[str]]] = []
    monkeypatch.setattr(
        delete, "_delete", lambda _cloud, service, _run, names: asked.append((service, tuple(names)))
    )
    said: list[str] = []
    own = delete.names.instance("r1", "cloud0")
    cloud: Any = None
    delete.delete(cloud, "r1", [("gcp-instance", "production-db"), ("gcp-instance", own)], said.append)
    assert dict(asked)["Instances"] == (own,)
    assert said == ["r1: gcp-instance production-db has not the name of this run; it is not touched"]


def test_qemu_connects_to_no_daemon_that_only_a_journal_names(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A libvirt URI can name a command that is executed to connect."""
    connected: list[str] = []
    monkeypatch.setattr(removal, "remove_everywhere", lambda uris, _run: connected.extend(sorted(uris)))
    hostile = "qemu+ssh://host/system?command=/tmp/x"
    owned = [("libvirt", f"{hostile} label"), ("libvirt", "qemu:///session label")]
    with pytest.raises(ProvisionError, match="not connected to libvirt"):
        QemuProvider().destroy(run, owned)
    assert connected == ["qemu:///session"]
    known_daemons.remember("qemu+ssh://used/system")
    QemuProvider().destroy(run, [])
    assert connected == ["qemu:///session", "qemu+ssh://used/system"]


class Daemon:
    """A Docker daemon with two containers."""

    def containers(self, *, all: bool, filters: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        mine = {"Id": "1", "Names": ["/mine"], "Labels": {"continuum.run": "r1"}}
        theirs = {"Id": "2", "Names": ["/database"], "Labels": None}
        return [mine, theirs] if filters is None else [mine]


def test_docker_names_containers_that_have_not_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "client", lambda _url: Daemon())
    assert container.without_label("unix:///x", "r1", ["mine", "database", "2", "gone"]) == ["database", "2"]


def test_docker_uses_sockets_of_this_machine_alone(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    said = said_of(run)
    owned = [("docker-daemon", "tcp://attacker.example:2375"), ("docker-daemon", "unix:///run/d.sock")]
    assert docker._daemons(run, owned) == ["unix:///run/d.sock"]
    assert "tcp://attacker.example:2375" in said[0]
    assert docker._daemons(run, []) == []
    (tmp_path / "docker.sock").touch()
    assert docker._daemons(run, []) == [f"unix://{tmp_path}/docker.sock"]


def test_baremetal_deletes_a_computed_folder_on_hosts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[NamedHost] = []
    monkeypatch.setattr(baremetal, "_clean", lambda host, _run: cleaned.append(host))
    said = said_of(run)
    hostile = NamedHost("cloud0", "host", folder="/home")
    damaged = ["[]", '{"node": 1, "host": "x"}', "{", '{"nod": "x"}']
    owned = [("baremetal-host", entry) for entry in (hostile.to_json(), *damaged)]
    baremetal.BaremetalProvider().destroy(run, owned)
    assert [host.folder for host in cleaned] == [f"/var/lib/continuum/{run.id}"]
    assert len(said) == len(damaged)


def test_baremetal_finds_hosts_in_the_state_if_the_journal_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[str] = []
    monkeypatch.setattr(baremetal, "_clean", lambda host, _run: cleaned.append(host.host))
    handle = json.loads(NamedHost("cloud0", "host").to_json())
    run.update_state(nodes=[{"handle": handle}, 3, {"handle": 4}])
    baremetal.BaremetalProvider().destroy(run, [])
    assert cleaned == ["host"]


@pytest.mark.parametrize("place", ["in the run", "writable by all"])
def test_baremetal_uses_no_ssh_configuration_that_others_can_change(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It names commands that ssh executes."""
    cleaned: list[NamedHost] = []
    monkeypatch.setattr(baremetal, "_clean", lambda host, _run: cleaned.append(host))
    file = (run.directory if place == "in the run" else tmp_path) / "ssh_config"
    file.write_text("Host *\n  ProxyCommand touch /tmp/x\n")
    if place != "in the run":
        file.chmod(0o666)
    host = NamedHost("cloud0", "host", config=str(file))
    with pytest.raises(LeftBehindError, match="refused"):
        baremetal.BaremetalProvider().destroy(run, [("baremetal-host", host.to_json())])
    assert cleaned == []


def test_a_folder_named_as_a_control_group_is_none(tmp_path: Path) -> None:
    fake = tmp_path / "continuum-r1"
    fake.mkdir()
    assert not find.is_group(fake, fake.name)
    assert not find.is_group(Path("/sys/fs/cgroup") / "../../.." / str(fake).lstrip("/"), fake.name)
    assert not find.is_group(Path("/sys/fs/cgroup/continuum-r2"), fake.name)


def test_a_link_of_a_node_does_not_change_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir(mode=0o755)
    link.symlink_to(target)
    local._open_folder(str(link))
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    local._open_folder(str(closed))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
