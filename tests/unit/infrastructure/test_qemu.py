"""What is said to libvirt and to guests: descriptions, seeds, addresses; nothing is started."""

import io
import json
import os
import threading
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from continuum.config import loader as config
from continuum.errors import ConfigError, HostError
from continuum.host.facts import Host
from continuum.model.limits import Limits
from continuum.model.topology import NodeSpec
from continuum.software.debian_image import ImageRequest
from infrastructure.qemu import (
    acceleration,
    guest_usage,
    hypervisor,
    image,
    known_daemons,
    libvirt_xml,
    names,
    probe,
    recipe,
    run_network,
    seed,
)
from infrastructure.qemu.creation import pinned
from infrastructure.qemu.libvirt_xml import Boot, GuestInterfaces

HOST = Host(cpus=(0, 1), memory_mb=4096, user_id=1000, kernel="6.1", machine="x86_64")
OWN = Boot("/pool/edge0.qcow2", "/pool/edge0-seed.iso", "/pool/edge0.log", "/base/vmlinuz", "/base/initrd")
WIRE = GuestInterfaces("52:54:00:00:00:01", network="continuum-0-run")


def spec(**changes: object) -> NodeSpec:
    return NodeSpec(**{"name": "edge0", "tier": "edge", "index": 0, "cores": 1, "memory_mb": 512, **changes})  # type: ignore[arg-type]


def domain(one: NodeSpec, boot: Boot = OWN, wire: GuestInterfaces = WIRE, *, kvm: bool = False) -> Element:
    text = libvirt_xml.domain("run", Path("/runs/run"), one, boot, wire, kvm=kvm, machine="x86_64")
    return fromstring(text)


def text(root: Element, path: str) -> str:
    found = root.find(path)
    assert found is not None, path
    return found.text or ""


def test_a_guest_has_the_size_of_its_node() -> None:
    root = domain(spec(cores=1.5, memory_mb=300))
    assert text(root, "name") == f"continuum-{os.getuid()}-run.edge0"
    assert (text(root, "memory"), text(root, "vcpu")) == ("300", "2")
    assert root.get("type") == "qemu"
    assert domain(spec(), kvm=True).get("type") == "kvm"


def test_its_disk_is_throttled_in_bytes() -> None:
    root = domain(spec(read_mb_per_s=20.0, write_mb_per_s=1.5))
    assert text(root, "devices/disk/iotune/read_bytes_sec") == "20000000"
    assert text(root, "devices/disk/iotune/write_bytes_sec") == "1500000"
    assert domain(spec()).find("devices/disk/iotune") is None


def test_it_is_pinned_where_its_node_is() -> None:
    root = domain(spec(cores=2, cpus=(2, 3)))
    assert [one.attrib for one in root.findall("cputune/vcpupin")] == [
        {"vcpu": "0", "cpuset": "2"},
        {"vcpu": "1", "cpuset": "3"},
    ]


@pytest.mark.parametrize(
    ("cores", "quota", "expected"),
    [(1, 1.0, -1), (1, 0.25, 2500), (0.5, 1.0, 5000), (3, 0.5, 5000), (1, 0.01, 1000)],
)
def test_quota_per_processor(cores: float, quota: float, expected: int) -> None:
    assert libvirt_xml.quota_us(spec(cores=cores, quota=quota)) == expected


def test_an_image_of_others_boots_by_its_own_loader() -> None:
    assert domain(spec()).find("os/kernel") is not None
    assert domain(spec(), Boot("/d", "/s", "/c")).find("os/kernel") is None


def test_only_interpreted_guests_are_told_which_clock_to_believe() -> None:
    assert "clocksource=hpet" in text(domain(spec()), "os/cmdline")
    assert "clocksource" not in text(domain(spec(), kvm=True), "os/cmdline")


def test_emulated_guests_have_no_feature_that_makes_them_slow() -> None:
    features = {one.get("name") for one in domain(spec()).iterfind("cpu/feature[@policy='disable']")}
    assert {"erms", "avx"} <= features
    assert domain(spec(), kvm=True).find("cpu/feature") is None


def test_whose_a_thing_is_can_be_read_back() -> None:
    described = libvirt_xml.network("run", Path("/runs/run"), "192.168.100.1", nat=False)
    assert libvirt_xml.directory_of(described) == "/runs/run"
    assert libvirt_xml.directory_of("<network><name>default</name></network>") == ""
    assert libvirt_xml.directory_of(libvirt_xml.pool("x", "/runs/run/guests")) == "/runs/run"
    assert libvirt_xml.directory_of(libvirt_xml.pool("x", "/var/lib/libvirt/images/x")) == ""
    assert fromstring(described).find("forward") is None
    assert (
        fromstring(libvirt_xml.network("run", Path("/r"), "10.0.0.1", nat=True)).find("forward") is not None
    )


def test_only_this_users_names_are_taken_for_runs() -> None:
    assert names.run_of(names.domain("20260101-000000-a-2", "edge0")) == "20260101-000000-a-2"
    assert names.run_of(names.label("x")) == "x"
    assert names.run_of(f"continuum-{os.getuid() + 1}-x") is None
    assert names.run_of("default") is None
    assert len(names.bridge("x" * 60)) <= 15
    assert len({names.mac("x", 0), names.mac("x", 1), names.mac("y", 0)}) == 3


IDENTITY = seed.Identity(
    name="edge0",
    run_id="run",
    cards=(seed.Card("52:54:00:aa:bb:cc", "192.168.100.3/24", gateway="192.168.100.1"),),
    names={"cloud0": "192.168.100.2", "edge0": "192.168.100.3"},
    public_key="ssh-ed25519 AAAA user",
    host_key="-----BEGIN\nit's secret\n",
    host_public_key="ssh-ed25519 BBBB host",
)


def test_a_seed_says_the_same_to_cloud_init_and_to_our_own_image() -> None:
    files = seed.files(IDENTITY)
    network = json.loads(files["network-config"])["ethernets"]["eth0"]
    assert network["addresses"] == ["192.168.100.3/24"]
    assert network["match"] == {"macaddress": "52:54:00:aa:bb:cc"}
    assert files["user-data"].startswith("#cloud-config\n")
    user = json.loads(files["user-data"].partition("\n")[2])
    assert user["ssh_keys"]["ed25519_private"] == IDENTITY.host_key
    script = files[recipe.SCRIPT]
    for part in ("192.168.100.3/24", "default via 192.168.100.1", "192.168.100.2 cloud0", "ssh-ed25519 AAAA"):
        assert part in script


def test_cloud_init_tells_interpreted_guests_which_clock_to_believe() -> None:
    for is_emulated in (True, False):
        user = seed.files(IDENTITY, is_emulated=is_emulated)["user-data"].partition("\n")[2]
        assert ("hpet" in "".join(json.loads(user).get("bootcmd", []))) == is_emulated


def test_the_seeds_disk_is_labelled_and_holds_the_files() -> None:
    pycdlib = pytest.importorskip("pycdlib")
    files = seed.files(IDENTITY)
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(seed.disk(files)))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    for name, content in files.items():
        read = io.BytesIO()
        iso.get_file_from_iso_fp(read, rr_path=f"/{name}")
        assert read.getvalue().decode() == content
    iso.close()


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0064A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_networks_of_the_host_are_left_alone() -> None:
    taken = run_network.host_routes(ROUTES)
    assert taken == (IPv4Network("192.168.100.0/24"),)
    assert next(run_network.free("192.168", 100, taken)) == IPv4Network("192.168.101.0/24")
    assert next(run_network.free("192.168", 254, [IPv4Network("192.168.254.0/24")])) == IPv4Network(
        "192.168.1.0/24"
    )
    assert list(run_network.free("192.168", 1, [IPv4Network("192.168.0.0/16")])) == []


def test_limits_of_a_workload() -> None:
    assert list(guest_usage.limited(Limits())) == []
    words = list(guest_usage.limited(Limits(cpu_cores=0.5, memory_mb=256)))
    assert words[0] == "systemd-run"
    assert "CPUQuota=50.00%" in words
    assert "MemoryMax=256M" in words
    assert words[-1] == "--"


def test_pinning_gives_each_core_begun_a_cpu_of_its_own() -> None:
    nodes = [spec(), spec(name="edge1", cores=1.5), spec(name="edge2")]
    one, two, three = pinned(nodes, {"edge0": 0, "edge1": 0, "edge2": 1}, [(4, 5, 6), (4,)])
    assert (one.cpus, two.cpus, three.cpus) == ((4,), (5, 6), (4,))
    with pytest.raises(HostError, match="no CPU is left for edge1"):
        pinned([spec(), spec(name="edge1")], {"edge0": 0, "edge1": 0}, [(0,)])


def test_without_a_device_there_is_no_kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "DEVICE", tmp_path / "kvm")
    acceleration.kvm_obstacle.cache_clear()
    assert acceleration.choose("auto", HOST) == acceleration.Acceleration(
        False, f"{tmp_path}/kvm does not exist"
    )
    assert acceleration.choose("kvm", HOST).kvm
    acceleration.kvm_obstacle.cache_clear()


def test_kvm_is_not_used_if_the_test_guest_hangs_or_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceleration, "DEVICE", Path("/dev/null"))
    monkeypatch.setattr(acceleration, "TEST_TIMEOUT_S", 0.2)
    program = tmp_path / "qemu-system-x86_64"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for script, why in (
        ("exec sleep 60", "did not finish"),
        ("echo no such luck >&2; exit 1", "no such luck"),
        ("exit 33", ""),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        if why != "did not finish":
            monkeypatch.setattr(acceleration, "TEST_TIMEOUT_S", 20.0)
        acceleration.kvm_obstacle.cache_clear()
        found = acceleration.kvm_obstacle(HOST)
        assert why in found if why else found == ""
    acceleration.kvm_obstacle.cache_clear()


def test_an_image_that_is_not_there_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(HostError, match="continuum image build --provider qemu"):
        image.find("", None)
    with pytest.raises(HostError, match="not an image"):
        image.find(str(tmp_path), None)
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"QFI\xfb")
    with pytest.raises(HostError, match="qemu_image_sha256"):
        image.find(str(disk), "0" * 64)
    assert image.find(str(disk), None).disk == disk
    assert image.disk_format(disk) == "qcow2"


def test_a_config_whose_image_is_not_there_names_line_and_remedy() -> None:
    lines = "[infrastructure]\nprovider = qemu\ninfra_only = True\ncloud_nodes = 1\ncloud_cores = 1\n"
    read = config.parse(f"{lines}cloud_memory = 1 GB\nqemu_image = ./absent\n", "x.cfg")
    (found,) = (one for one in islice(probe.problems(read, HOST), 3) if one.key == "qemu_image")
    assert str(found).startswith('x.cfg:7: [infrastructure] qemu_image = "./absent"')
    assert "image build --provider qemu --name ./absent" in str(found)


def test_an_image_replaces_nothing_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "find_command", lambda _self, name: Path("/bin") / name)
    (tmp_path / "precious").touch()
    with pytest.raises(HostError, match="is not an image"):
        image.build(ImageRequest(host=HOST, name=str(tmp_path)))


def test_daemons_are_remembered_once(state_home: Path) -> None:
    assert known_daemons.known() == ()
    for uri in ("qemu:///system", "qemu:///session", "qemu:///system"):
        known_daemons.remember(uri)
    assert known_daemons.known() == ("qemu:///system", "qemu:///session")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("qemu_uri = xen:///", "not a libvirt URI of QEMU"),
        ("qemu_image = https://images.example/debian.qcow2", "set qemu_image_sha256"),
        ("qemu_image = ftp://images.example/debian.qcow2", "only http and https"),
        ("qemu_image_sha256 = abc", "not a SHA-256"),
        ("prefixIP = 192", "not the first two numbers"),
        ("prefixIP = 8.8", "not a private network"),
        ("middleIP = 300", "middleIP"),
    ],
)
def test_settings_that_cannot_work(line: str, message: str) -> None:
    lines = "[infrastructure]\nprovider = qemu\ninfra_only = True\ncloud_nodes = 1\ncloud_cores = 1\n"
    with pytest.raises(ConfigError, match=message):
        config.parse(f"{lines}cloud_memory = 1 GB\n{line}\n", "x.cfg")


def test_a_slow_daemon_is_told_of_once_and_given_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypervisor, "SLOW_S", 0.01)
    told: list[str] = []
    end = threading.Event()
    with pytest.raises(HostError, match=r"still looking \(waited 0\.05 s\)"):
        hypervisor.within(0.05, end.wait, "still looking", lambda: told.append("slow"))
    end.set()
    assert told == ["slow"]
    assert hypervisor.within(5, lambda: 7, "", lambda: told.append("again")) == 7
    assert told == ["slow"]
