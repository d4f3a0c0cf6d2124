"""The fabric's life: its control socket, bad clients, and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fabric_nodes import BareNetwork, why_not
from continuum.errors import ProvisionError
from continuum.model.topology import Link
from continuum.network.fabric import ending, wire
from continuum.network.fabric.client import SOCKET_NAME, Client, launch

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(reason := why_not()), reason=f"no bare nodes here: {reason}"),
]

DEADLINE_S = 20.0


@pytest.fixture
def net() -> Iterator[BareNetwork]:
    with BareNetwork({"cloud0": "cloud", "endpoint0": "endpoint"}) as network:
        yield network


def interfaces(net: BareNetwork, name: str) -> list[str]:
    return [interface for _, interface in net[name].call(socket.if_nameindex)]


def connect(directory: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    raw.settimeout(DEADLINE_S)
    with wire.short_path(directory, SOCKET_NAME) as path:
        raw.connect(path)
    return raw


def descriptors(net: BareNetwork) -> int:
    return len(list(Path(f"/proc/{net.pid}/fd").iterdir()))


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while is_running(pid):
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.01)


def test_close_leaves_no_interface_and_no_process(net: BareNetwork) -> None:
    assert interfaces(net, "cloud0") == ["lo", "eth0"]
    net.client.close()
    assert interfaces(net, "cloud0") == ["lo"]
    assert interfaces(net, "endpoint0") == ["lo"]
    assert not Path(f"/proc/{net.pid}").exists()
    assert not (net.directory / SOCKET_NAME).exists()
    net.client = Client(_relaunched(net))


def _relaunched(net: BareNetwork) -> Path:
    """Something for the fixture to close."""
    net.pid = launch(net.directory, "again", 1)
    return net.directory


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_the_same_way(net: BareNetwork, number: int) -> None:
    os.kill(net.pid, number)
    os.waitpid(net.pid, 0)
    assert interfaces(net, "cloud0") == ["lo"]
    (net.directory / SOCKET_NAME).unlink()
    net.client = Client(_relaunched(net))


def test_detach_takes_one_interface_away(net: BareNetwork) -> None:
    net.client.detach(["endpoint0"])
    assert interfaces(net, "endpoint0") == ["lo"]
    assert interfaces(net, "cloud0") == ["lo", "eth0"]
    assert net.client.stats()["nodes"] == 1
    with pytest.raises(ProvisionError, match="no node endpoint0 is attached"):
        net.client.detach(["endpoint0"])


def test_a_namespace_that_vanishes_does_not_stop_the_others(net: BareNetwork) -> None:
    assert net["endpoint0"].call(lambda: subprocess.run(["ip", "link", "del", "eth0"], check=False)).args
    deadline = time.monotonic() + DEADLINE_S
    while net.client.stats()["nodes"] > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert net.client.stats()["nodes"] == 1


def test_only_the_owner_may_connect(net: BareNetwork) -> None:
    mode = (net.directory / SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_run_id_on_command_line_and_in_environment(net: BareNetwork) -> None:
    run_id = net.directory.name.encode()
    assert Path(f"/proc/{net.pid}/cmdline").read_bytes().split(b"\0")[4] == run_id
    assert b"CONTINUUM_RUN=" + run_id in Path(f"/proc/{net.pid}/environ").read_bytes().split(b"\0")
    assert list(ending.processes(net.directory.name)) == [net.pid]


@pytest.mark.parametrize(
    ("request_bytes", "complaint"),
    [
        (b"{", "Expecting"),
        (b"\xff{", "decode"),
        (b"[]", "a request is a JSON object"),
        (b"{}", "unknown operation None"),
        (b'{"op":"jump"}', "unknown operation 'jump'"),
        (b'{"op":"shape"}', "no 'links'"),
        (b'{"op":"shape","links":5}', "not iterable"),
        (b'{"op":"shape","links":[5]}', "has no attribute"),
        (b'{"op":"shape","links":[{"src":"cloud","dst":"mars"}]}', "cloud -> mars: no such node or tier"),
        (b'{"op":"shape","links":[{"src":["a"],"dst":{}}]}', "unhashable"),
        (
            b'{"op":"shape","links":[{"src":"cloud","dst":"endpoint","loss_percent":"x"}]}',
            "loss_percent is 'x'",
        ),
        (b'{"op":"attach","nodes":[["a","b","10.0.0.1"]]}', "1 nodes but 0 descriptors"),
        (b'{"op":"detach","nodes":["a"]}', "no node a is attached"),
        (b'{"op":"' + b"x" * wire.MAX_REQUEST_BYTES + b'"}', "too long"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_bad_requests_are_answered_in_words(net: BareNetwork, request_bytes: bytes, complaint: str) -> None:
    with connect(net.directory) as raw:
        raw.send(request_bytes)
        assert complaint in wire.receive_reply(raw)["error"]
        raw.send(b'{"op":"stats"}')
        assert wire.receive_reply(raw)["nodes"] == 2


def test_a_refused_attach_keeps_no_descriptor(net: BareNetwork) -> None:
    before = descriptors(net)
    with (
        Path(os.devnull).open("rb") as file,
        pytest.raises(ProvisionError, match="cloud0 is attached already"),
    ):
        net.client.attach([("cloud0", "cloud", "10.77.3.3")], [file.fileno()])
    assert descriptors(net) == before


def test_all_links_of_a_request_or_none(net: BareNetwork) -> None:
    with pytest.raises(ProvisionError, match="mars"):
        net.client.shape([Link("cloud", "endpoint", loss_percent=100), Link("mars", "cloud")])
    receiver = net["endpoint0"].call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    receiver.bind((net["endpoint0"].address, 7000))
    receiver.settimeout(DEADLINE_S)
    sender = net["cloud0"].call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.sendto(b"x", (net["endpoint0"].address, 7000))
    assert receiver.recv(10) == b"x"


def test_a_client_that_never_reads_is_dropped_and_harms_nobody(net: BareNetwork) -> None:
    with connect(net.directory) as deaf:
        deaf.settimeout(1.0)
        with pytest.raises(OSError, match=r"timed out|Broken pipe|reset"):
            _ask_without_end(deaf)
        assert net.client.stats()["nodes"] == 2


def _ask_without_end(client: socket.socket) -> None:
    for _ in range(100_000):
        client.send(b'{"op":"stats"}')


def test_clients_that_leave_are_forgotten(net: BareNetwork) -> None:
    before = descriptors(net)
    for _ in range(20):
        connect(net.directory).close()
    net.client.stats()
    deadline = time.monotonic() + DEADLINE_S
    while descriptors(net) > before:
        assert time.monotonic() < deadline
        net.client.stats()


def test_run_directories_with_long_paths(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    launch(directory, "long-path", 1)
    with Client(directory) as client:
        assert client.stats()["nodes"] == 0
        client.close()


def test_a_second_fabric_is_refused(net: BareNetwork) -> None:
    with pytest.raises(ProvisionError, match="cannot start"):
        launch(net.directory, "second", 1)


def test_no_fabric_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="no fabric answers at"):
        Client(tmp_path)


def test_it_outlives_its_orchestrator(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from continuum.network.fabric.client import launch\n"
        "print(launch(Path(sys.argv[1]), 'orphan', 1), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=False, timeout=DEADLINE_S
    )
    pid = int(done.stdout)
    assert done.returncode == -signal.SIGKILL
    with Client(tmp_path) as client:
        assert client.stats()["nodes"] == 0
    ending.end(tmp_path, "orphan")
    wait_until_gone(pid)
    ending.end(tmp_path, "orphan")


def test_one_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "POLITE_S", 0.3)
    pid = launch(tmp_path, "hangs", 1)
    with Client(tmp_path) as client:
        client.stats()
    os.kill(pid, signal.SIGSTOP)
    ending.end(tmp_path, "hangs")
    wait_until_gone(pid)
    assert list(ending.processes("hangs")) == []


def test_many_nodes_at_once() -> None:
    nodes = {f"endpoint{i}": "endpoint" for i in range(260)}  # more than fit one message
    with BareNetwork(nodes, [Link("endpoint", "endpoint", latency_ms=1)]) as net:
        assert net.client.stats()["nodes"] == 260
        receiver = net["endpoint259"].call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind((net["endpoint259"].address, 7000))
        receiver.settimeout(DEADLINE_S)
        sender = net["endpoint0"].call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sender.sendto(b"x", (net["endpoint259"].address, 7000))
        assert receiver.recv(10) == b"x"
        fields = Path(f"/proc/{net.pid}/status").read_text(encoding="ascii").split()
        assert int(fields[fields.index("VmRSS:") + 1]) < 60_000, "kB"


def test_long_replies_come_in_pieces() -> None:
    message = {"text": "x" * 200_000}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        pieces = list(wire.pieces(message))
        assert len(pieces) == 4
        for piece in pieces[:2]:
            ours.send(piece)
        assert json.loads(b"".join(piece[1:] for piece in pieces)) == message
        for piece in pieces[2:]:
            ours.send(piece)
        assert wire.receive_reply(theirs) == message
