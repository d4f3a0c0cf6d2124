"""Several machines of guests: their addresses, who goes where, and what joins them; nothing is started."""

import shlex
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from xml.etree.ElementTree import fromstring

import pytest

from continuum.config import loader as config
from continuum.errors import ConfigError, HostError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import (
    guest_links,
    libvirt_xml,
    machine_facts,
    machines,
    names,
    placement,
    settings,
    switch,
)
from infrastructure.qemu.fleet import Site
from infrastructure.qemu.libvirt_xml import Boot, UdpEndpoint
from infrastructure.qemu.machine_facts import MachineFacts
from infrastructure.qemu.machines import Machine
from infrastructure.qemu.placement import Capacity

ARGUMENT = f"{{{libvirt_xml.QEMU_SPACE}}}arg"


def spec(name: str, cores: float = 1, memory_mb: int = 512) -> NodeSpec:
    return NodeSpec(name=name, tier="edge", index=0, cores=cores, memory_mb=memory_mb)


def test_the_frameworks_form_of_an_address_is_libvirts_by_ssh() -> None:
    first, second, third = machines.every("qemu:///system", ("user@node1", "qemu+ssh://a@b:2222/session"))
    assert (first.is_local, first.has_ssh) == (True, False)
    assert second.uri == "qemu+ssh://user@node1/system?no_tty=1"
    assert (second.name, second.has_ssh, second.is_local, second.is_session) == (
        "user@node1",
        True,
        False,
        False,
    )
    assert third.is_session
    assert machines.every("qemu:///session", ("node1",))[1].is_session


def test_ssh_goes_the_way_libvirt_goes() -> None:
    words = Machine("qemu+ssh://me@host:2222/system?keyfile=/k&command=/bin/wrapped").proxy_to(
        "127.1.2.3", 22
    )
    assert words[0] == "/bin/wrapped"
    assert words[-2:] == ("--", "me@host")
    for pair in (("-p", "2222"), ("-i", "/k"), ("-W", "127.1.2.3:22"), ("-o", "StrictHostKeyChecking=yes")):
        assert pair in pairwise(words)
    assert Machine("qemu:///system").proxy_to("127.1.2.3", 22) == ()
    script = 'echo "it\'s"'
    said = Machine("qemu+ssh://host/system").shell(script)
    assert shlex.split(said[-1]) == ["sh", "-c", script]


LINES = "[infrastructure]\nprovider = qemu\ninfra_only = True\ncloud_nodes = 1\ncloud_cores = 1\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("external_physical_machines = user@a b", "not an SSH address"),
        ("external_physical_machines = -oProxyCommand=x", "not an SSH address"),
        ("external_physical_machines = qemu+tcp://host/system", "reached by ssh"),
        ("external_physical_machines = qemu+ssh://host/system?no_verify=1", "would accept any host key"),
        ("external_physical_machines = user@a, user@a", "is named twice"),
        ("qemu_uri = qemu+tls://host/system", "reached by ssh"),
    ],
)
def test_addresses_that_cannot_work(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse(f"{LINES}cloud_memory = 1 GB\n{line}\n", "x.cfg")


def test_machines_of_a_config_have_an_effect() -> None:
    read = config.parse(f"{LINES}cloud_memory = 1 GB\nexternal_physical_machines = u@a, u@b\n", "x.cfg")
    assert read.warnings == ()
    assert [one.name for one in settings.from_config(read).machines] == ["qemu:///system", "u@a", "u@b"]


def test_nodes_go_to_the_least_loaded_machine() -> None:
    idle = Capacity("idle", cores=4, memory_mb=8000)
    busy = Capacity("busy", cores=4, memory_mb=8000, busy_cores=3)
    placed = placement.place([spec("edge0"), spec("edge1"), spec("edge2")], [busy, idle], pinned=False)
    assert placed == {"edge0": 1, "edge1": 1, "edge2": 1}
    spread = placement.place([spec(f"edge{n}") for n in range(4)], [idle, idle], pinned=False)
    assert sorted(spread.values()) == [0, 0, 1, 1]
    tired = Capacity("tired", cores=4, memory_mb=8000, busy_memory_mb=7000)
    assert placement.place([spec("edge0")], [tired, idle], pinned=False) == {"edge0": 1}
    forgotten = Capacity("forgotten", cores=4, memory_mb=8000, idle_guests=3)
    assert placement.place([spec("edge0")], [forgotten, idle], pinned=False) == {"edge0": 1}


def test_the_largest_node_is_placed_first() -> None:
    """Else the small ones would take the room of the only machine it fits on."""
    small, large = Capacity("small", cores=8, memory_mb=2000), Capacity("large", cores=8, memory_mb=4000)
    nodes = [spec("edge0", memory_mb=1500), spec("edge1", memory_mb=3500)]
    assert placement.place(nodes, [small, large], pinned=False) == {"edge0": 0, "edge1": 1}


def test_where_there_is_no_room_the_numbers_are_said() -> None:
    there = [
        Capacity("a", cores=2, memory_mb=1000, busy_memory_mb=800),
        Capacity("b", cores=1, memory_mb=900),
    ]
    with pytest.raises(
        HostError, match=r"no machine has room for edge0 \(1024 MiB\).* a has 200 of 1000 MiB left, b has 900"
    ):
        placement.place([spec("edge0", memory_mb=1024)], there, pinned=False)
    with pytest.raises(HostError, match="1 of 1 CPUs to pin"):
        placement.place([spec("edge0", cores=2, memory_mb=600)], there, pinned=True)
    placed = placement.place([spec("edge0", cores=2, memory_mb=600)], there, pinned=False)
    assert "b: the nodes there may use 2 CPUs, and it has 1" in placement.overload(
        [spec("edge0", cores=2)], there, placed
    )


SAID = """\
10.0.0.1 50000 10.0.0.2 22
/home/me
1000
00000000:4E20 0100007F:0035 
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0064A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""  # noqa: W291 - the shell's own


def test_what_a_machine_says_of_itself() -> None:
    read = machine_facts.parse(SAID)
    assert read == MachineFacts(
        "/home/me", 1000, "10.0.0.1", "10.0.0.2", frozenset({20000, 53}), (IPv4Network("192.168.100.0/24"),)
    )
    assert machine_facts.parse("\n" + SAID.split("\n", 1)[1]).address == ""


def test_this_machine_can_be_asked() -> None:
    assert machine_facts.query(Machine("qemu:///system")).home


def site(
    uri: str,
    caller: str = "",
    address: str = "",
    ports: frozenset[int] = frozenset(),
    kind: str = switch.MACHINE,
) -> Site:
    hypervisor = SimpleNamespace(machine=lambda: kind)
    return cast(
        "Site",
        SimpleNamespace(
            machine=Machine(uri),
            hypervisor=hypervisor,
            facts=MachineFacts("/", 0, caller, address, ports),
        ),
    )


HERE, A, B = (
    site("qemu:///system"),
    site("qemu+ssh://a/system", "10.0.0.1", "10.0.0.2"),
    site("qemu+ssh://b/system", "10.0.1.1", "10.0.1.2"),
)


def test_machines_reach_each_other_as_ssh_has_reached_them() -> None:
    assert guest_links.between(HERE, A) == ("10.0.0.1", "10.0.0.2")
    assert guest_links.between(A, HERE) == ("10.0.0.2", "10.0.0.1")
    assert guest_links.between(A, B) == ("10.0.0.2", "10.0.1.2")
    assert guest_links.between(HERE, site("qemu:///session")) is None
    with pytest.raises(HostError, match="IPv4"):
        guest_links.between(HERE, site("qemu+ssh://c/system", "fe80::1", "fe80::2"))


def wires_of(text: str) -> list[str]:
    words = [one.get("value", "") for one in fromstring(text).iter(ARGUMENT)]
    return [word.partition("udp=")[2] for word in words if "udp=" in word]


def test_switches_join_guests_in_a_star_without_a_circle() -> None:
    """Every wire has two ends that name each other; machines but the first have one tunnel each."""
    plugs = [switch.guest_endpoint("run", number) for number in range(3)]
    texts = guest_links.switches([HERE, A, B], [plugs[:1], plugs[1:2], plugs[2:]], "run", Path("/runs/run"))
    ends = [wires_of(text) for text in texts]
    assert [len(own) for own in ends] == [3, 2, 2]
    assert (
        ends[1][0] == f"{plugs[1].here}:{plugs[1].here_port},localaddr={plugs[1].there}:{plugs[1].there_port}"
    )
    for number, (here, there) in {1: ("10.0.0.1", "10.0.0.2"), 2: ("10.0.1.1", "10.0.1.2")}.items():
        to, _, own = ends[0][number].partition(",localaddr=")
        assert (to.partition(":")[0], own.partition(":")[0]) == (there, here)
        assert ends[number][1] == f"{own},localaddr={to}"
    assert all(libvirt_xml.directory_of(text) == "/runs/run" for text in texts)
    assert names.run_of(fromstring(texts[0]).findtext("name", "")) == "run"


def test_where_a_switch_would_not_halt_there_is_none() -> None:
    with pytest.raises(HostError, match="is aarch64"):
        guest_links.switches([site("qemu:///session", kind="aarch64")], [[]], "run", Path("/r"))


def test_tunnels_take_ports_that_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "FIRST_PORT", 20_000)
    monkeypatch.setattr(switch, "LAST_PORT", 20_003)
    used = frozenset({20_000, 20_002})
    one, two = site("qemu:///system", ports=used), site("qemu:///session")
    (first, _) = guest_links.switches([one, two], [[], []], "run", Path("/r"))
    (wire,) = wires_of(first)
    assert sorted(int(part.rpartition(":")[2]) for part in wire.split(",")) == [20_001, 20_003]


def test_a_guest_on_a_switch_has_a_wire_and_a_port_for_ssh() -> None:
    addresses = {"edge0": "192.168.100.2", "edge1": "192.168.100.3"}
    found = guest_links.switched([spec("edge0"), spec("edge1")], "run", addresses, apart=True, nat=False)
    assert len({one.port for one in found.values()}) == 2
    one = found["edge1"]
    assert one.cards[0].mtu_bytes == switch.MTU_BYTES
    assert one.interfaces.udp == switch.guest_endpoint("run", 1)
    text = libvirt_xml.domain(
        "run", Path("/r"), spec("edge1"), Boot("/d", "/s", "/c"), one.interfaces, kvm=False, machine="x86_64"
    )
    card = fromstring(text).find("devices/interface")
    assert card is not None
    assert card.get("type") == "udp"
    words = [word.get("value", "") for word in fromstring(text).iter(ARGUMENT)]
    assert any(f"restrict=on,hostfwd=tcp:{one.host}:{one.port}-:22" in word for word in words)
    near = guest_links.switched([spec("edge0")], "run", addresses, apart=False, nat=True)["edge0"]
    assert near.cards[0].mtu_bytes == 0
    assert near.cards[1].gateway == guest_links.MANAGEMENT_GATEWAY
    assert near.interfaces.nat


def test_runs_on_one_machine_have_loopback_addresses_of_their_own() -> None:
    plugs = {switch.loopback(f"run{number}") for number in range(50)}
    assert len(plugs) == 50
    assert all(address.startswith("127.") and address != "127.0.0.1" for address in plugs)
    assert UdpEndpoint("a", 1, "b", 2).opposite == UdpEndpoint("b", 2, "a", 1)
