"""What is asked of a Docker daemon, and what it is sent: pure."""

from __future__ import annotations

import socket
import struct
import tarfile
import threading
import time
from io import BytesIO
from pathlib import Path, PurePosixPath

import pytest

from continuum.host.facts import Host
from continuum.model.topology import NodeSpec
from continuum.software.debian_image import ImageRequest, debian_command
from infrastructure.docker import container_settings, images, management, probe
from infrastructure.docker.container_settings import Labels
from infrastructure.docker.engine_api import Stream, explain_no_answer
from infrastructure.docker.interfaces import Attachment
from infrastructure.docker.tar_archive import archive_of

LABELS = Labels("20260101-000000-x", 1000, "/home/me/runs/20260101-000000-x", "mnt:[1] pid:[2] boot")
HOST = Host((0, 1), 4096, 0, "6.1", "x86_64")


def settings(spec: NodeSpec, device: str = "") -> dict[str, object]:
    made = container_settings.node(
        spec, LABELS, "image", {"cloud0": "10.77.0.1", "edge0": "10.77.0.2"}, device
    )
    return {**made, **made.pop("HostConfig")}


def test_a_container_has_its_limits_names_and_labels() -> None:
    made = settings(NodeSpec("edge0", "edge", 0, 2, 512, cpus=(0, 1)))
    assert made["NetworkMode"] == "none"
    assert made["Hostname"] == "edge0"
    assert made["Memory"] == made["MemorySwap"] == 512 << 20
    assert made["CpusetCpus"] == "0,1"
    assert made["ExtraHosts"] == ["cloud0:10.77.0.1", "edge0:10.77.0.2"]
    assert made["Labels"] == {
        "continuum.run": LABELS.run_id,
        "continuum.node": "edge0",
        "continuum.user": "1000",
        "continuum.folder": LABELS.folder,
        "continuum.origin": LABELS.origin,
        "continuum.state": "",
    }


def test_only_nodes_that_shape_their_links_may_change_them() -> None:
    spec = NodeSpec("edge0", "edge", 0, 1, 512)
    assert "CapAdd" not in settings(spec)
    made = container_settings.node(spec, LABELS, "image", {}, "", shapes=True)
    assert made["HostConfig"]["CapAdd"] == ["NET_ADMIN"]


def test_disk_rates_are_in_bytes() -> None:
    spec = NodeSpec("edge0", "edge", 0, 1, 512, read_mb_per_s=20, write_mb_per_s=1.5)
    made = settings(spec, "/dev/sda")
    assert made["BlkioDeviceReadBps"] == [{"Path": "/dev/sda", "Rate": 20_000_000}]
    assert made["BlkioDeviceWriteBps"] == [{"Path": "/dev/sda", "Rate": 1_500_000}]
    assert not [key for key in settings(spec) if key.startswith("Blkio")]
    assert not [
        key for key in settings(NodeSpec("e", "edge", 0, 1, 1), "/dev/sda") if key.startswith("Blkio")
    ]


@pytest.mark.parametrize(
    ("cpu_limit", "expected"),
    [(1, (10_000, 10_000)), (0.25, (10_000, 2_500)), (2.5, (10_000, 25_000)), (0.05, (20_000, 1_000))],
)
def test_quotas_are_counted_per_ten_milliseconds(cpu_limit: float, expected: tuple[int, int]) -> None:
    made = container_settings.quota(cpu_limit)
    assert (made["cpu_period"], made["cpu_quota"]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("continuum-node", ("continuum-node", "", "latest")),
        ("python:3.12", ("python", ":", "3.12")),
        ("registry:5000/own/image", ("registry:5000/own/image", "", "latest")),
        ("registry:5000/own/image:2", ("registry:5000/own/image", ":", "2")),
    ],
)
def test_images_are_split_at_the_tag_alone(name: str, expected: tuple[str, str, str]) -> None:
    assert images._split(name) == expected


def test_an_archive_makes_a_file_appear_at_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for size in (0, 1, 512, 1_500_000):
        source.write_bytes(bytes(range(256)) * (size // 256 + 1))
        source.chmod(0o640)
        packed = BytesIO(b"".join(archive_of(source, PurePosixPath("/var/lib/x/go"))))
        with tarfile.open(fileobj=packed) as archive:
            part, link = archive.getmembers()
            assert (part.name, link.name, link.linkname) == ("var/lib/x/.go.part", "var/lib/x/go", part.name)
            assert part.isreg()
            assert link.islnk()
            assert (part.mode, link.mode) == (0o640, 0o640)
            content = archive.extractfile(part)
            assert content is not None
            assert content.read() == source.read_bytes()


def test_an_archive_of_a_long_name(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    name = PurePosixPath("/var/lib") / ("a" * 150) / ("b" * 120)
    with tarfile.open(fileobj=BytesIO(b"".join(archive_of(source, name)))) as archive:
        assert archive.getnames()[1] == str(name)[1:]


def test_silence_is_explained() -> None:
    refused = explain_no_answer("unix:///x", PermissionError("Permission denied"))
    assert "usermod -aG docker" in refused
    assert "systemctl start docker" in explain_no_answer("unix:///x", OSError("refused"))


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "extra `docker`" in next(probe.obstacles("unix:///x", HOST))


def test_images_are_built_from_packages_of_a_mirror() -> None:
    request = ImageRequest(HOST, mirror="http://mirror/debian", suite="trixie", packages=("mosquitto",))
    command = debian_command("mmdebstrap", request, ("python3", "mosquitto"), Path("root.tar"))
    assert "--include=python3,mosquitto" in command
    assert command[-3:] == ["trixie", "root.tar", "http://mirror/debian"]


def frame(kind: int, piece: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(piece)) + piece


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_streams_are_told_apart_however_they_arrive(step: int) -> None:
    """Errors may come before the first line of output, and pieces in parts."""
    sent = frame(2, b"bad\n") + frame(1, b"12") + frame(1, b"3\nrest") + frame(2, b"worse") + frame(1, b"end")
    ours, theirs = socket.socketpair()
    stream = Stream(ours)
    writer = threading.Thread(
        target=lambda: [theirs.sendall(sent[i : i + step]) for i in range(0, len(sent), step)]
    )
    writer.start()
    assert stream.line(time.monotonic() + 10) == "123"
    writer.join()
    theirs.close()
    said = list(stream.frames(time.monotonic() + 10))
    assert b"".join(piece for kind, piece in said if kind == 1) == b"restend"
    assert b"".join(piece for kind, piece in said if kind == 2) == b"bad\nworse"
    stream.close()


def test_without_a_first_line_there_is_what_was_said_instead() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(frame(2, b"sh: not found\n"))
    theirs.close()
    stream = Stream(ours)
    assert stream.line(time.monotonic() + 10) == "sh: not found"
    stream.close()


def test_silence_ends_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    stream = Stream(ours)
    with pytest.raises(TimeoutError):
        stream.line(time.monotonic() + 0.05)
    stream.close()
    theirs.close()


def test_only_nodes_that_host_containers_may_do_more_than_others() -> None:
    plain, able = (NodeSpec("e", "edge", 0, 1, 1, hosts_containers=able) for able in (False, True))
    assert not {"CapAdd", "SecurityOpt", "ReadonlyPaths", "Volumes"} & settings(plain).keys()
    made = settings(able)
    assert made["CapDrop"] == ["SYS_RESOURCE"]
    assert made["CgroupnsMode"] == "private"
    assert "Privileged" not in made
    assert {"/proc/sys/kernel", "/proc/sys/vm"} <= set(made["ReadonlyPaths"])  # type: ignore[call-overload]
    assert made["Volumes"] == {container_settings.NESTED_FILES: {}}


def test_only_nodes_that_are_to_have_a_second_address_have_one() -> None:
    specs = [NodeSpec(f"edge{n}", "edge", n, 1, 1, is_managed=n != 1) for n in range(3)]
    given = management.addresses(specs)
    assert given == {"edge0": "10.78.0.1", "edge2": "10.78.0.3"}
    assert management.attachments({"edge0": 11, "edge1": 12, "edge2": 13, "management": 14}, given) == [
        Attachment("edge0", 11, "10.78.0.1"),
        Attachment("edge2", 13, "10.78.0.3"),
    ]
