"""What a node of the provider ``local`` is: like a machine of its own, and no danger to the host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.modules import registry
from continuum.network.engines import capabilities, open_engine
from infrastructure.local import mounts, provider
from tests.e2e.local_nodes import Nodes, destroy, new_run, nodes, shared_nodes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root; see test_local_user for ordinary users"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with shared_nodes(tmp_path_factory, endpoints=2) as existing:
        yield existing


def sh(made: Nodes, node: str, script: str) -> str:
    return made[node].run(["sh", "-ec", script], timeout=60).stdout


def test_hostname_is_the_nodes_name(made: Nodes) -> None:
    assert sh(made, "endpoint1", "hostname").strip() == "endpoint1"


def test_every_name_resolves_in_every_node(made: Nodes) -> None:
    for node in made.nodes:
        for other in made.nodes:
            address, name = sh(made, node.name, f"getent hosts {other.name}").split()
            assert (address, name) == (other.address, other.name)


def test_nodes_reach_each_other_by_name(made: Nodes, tmp_path: Path) -> None:
    serve = (
        "import socket; s = socket.create_server(('', 5000)); print('up', flush=True);"
        " c, a = s.accept(); c.sendall(a[0].encode()); c.close()"
    )
    ask = "import socket; print(socket.create_connection(('cloud0', 5000), 10).recv(99).decode())"
    server = made["cloud0"].start(["{python}", "-c", serve], env={}, log=tmp_path / "log")
    try:
        sh(
            made,
            "cloud0",
            "for i in $(seq 100); do grep -q ':1388 .* 0A ' /proc/net/tcp && exit; sleep 0.05; done; exit 1",
        )
        said = made["endpoint0"].run(["{python}", "-c", ask], timeout=60).stdout.strip()
    finally:
        server.kill()
    assert said == made.node("endpoint0").address


def test_loopback_is_up(made: Nodes) -> None:
    assert int(sh(made, "cloud0", "cat /sys/class/net/lo/flags"), 16) & 1


@pytest.mark.parametrize(
    "path", ["/etc/continuum-test", "/tmp/test", "/run/test", "/root/test", "/dev/shm/test"]
)
def test_what_a_node_writes_is_seen_by_nobody_else(made: Nodes, path: str) -> None:
    sh(made, "endpoint0", f"echo mine > {path}; cat {path}")
    assert not Path(path).exists()
    assert sh(made, "endpoint1", f"test -e {path} || echo none").strip() == "none"


def test_editing_and_removing_files_of_the_host_touches_it_not(made: Nodes) -> None:
    before = Path("/etc/passwd").read_bytes()
    sh(
        made,
        "endpoint0",
        "echo gone > /etc/passwd; rm -r /etc/ssl /usr/share/doc 2>/dev/null || true; rm /etc/hosts",
    )
    assert Path("/etc/passwd").read_bytes() == before
    assert Path("/etc/hosts").exists()
    assert "root" in sh(made, "endpoint1", "cat /etc/passwd")
    assert "cloud0" in sh(made, "endpoint1", "cat /etc/hosts")


def test_a_node_sees_its_own_processes_and_interfaces_alone(made: Nodes) -> None:
    pids = sh(made, "cloud0", "ls /proc | grep -x '[0-9]*'").split()
    assert "1" in pids
    assert len(pids) < 6
    assert sh(made, "cloud0", "ls /sys/class/net").split() == ["eth0", "lo"]


def test_settings_of_the_host_are_out_of_reach_and_those_of_the_nodes_network_are_not(made: Nodes) -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    refused = made["cloud0"].run(["sh", "-c", "echo 1 > /proc/sys/vm/swappiness"], timeout=60, check=False)
    assert refused.status != 0
    assert Path("/proc/sys/vm/swappiness").read_text() == before
    mine = "/proc/sys/net/core/somaxconn"
    here = Path(mine).read_text().strip()
    other = str(int(here) + 1)
    assert sh(made, "cloud0", f"echo {other} > {mine}; cat {mine}").strip() == other
    assert Path(mine).read_text().strip() == here


def test_disks_of_the_host_are_out_of_reach(made: Nodes) -> None:
    assert sh(made, "cloud0", "find /dev -type b") == ""
    assert sh(made, "cloud0", "head -c 3 /dev/zero | wc -c; echo x > /dev/null").strip() == "3"
    refused = made["cloud0"].run(["touch", "/dev/test"], timeout=60, check=False)
    assert refused.status != 0


def test_orphans_leave_no_zombies(made: Nodes) -> None:
    sh(made, "cloud0", "sh -c 'sleep 0.05 & exit' & sleep 0.3")
    assert "Z" not in sh(made, "cloud0", "cat /proc/[0-9]*/stat | sed 's/.*) \\(.\\).*/\\1/'").split()


def test_what_lies_in_a_private_folder_of_the_host_is_shown_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a checkout in /tmp."""
    checkout = tmp_path / "check out"
    checkout.mkdir()
    (checkout / "code").write_text("here")
    monkeypatch.setattr(provider, "CHECKOUT", checkout)
    monkeypatch.setattr(mounts, "PRIVATE", (*mounts.PRIVATE, str(tmp_path)))
    with nodes(tmp_path / "base") as made:
        assert made["cloud0"].run(["cat", str(checkout / "code")], timeout=60).stdout == "here"
        written = made["cloud0"].run(["touch", str(checkout / "code")], timeout=60, check=False)
        assert "Read-only" in written.stderr
        assert made["cloud0"].run(["ls", "-A", "/run"], timeout=60).stdout == ""


def test_odd_paths(tmp_path: Path) -> None:
    folder = tmp_path / "a, b:c\\d\te" / ("long" * 40)
    with nodes(folder) as made:
        made["cloud0"].run(["touch", "/etc/x"], timeout=60)
        assert len(list(made.run.directory.glob("nodes/cloud0/upper0/etc/x"))) == 1


def test_python_of_a_node_is_the_one_that_runs_here(made: Nodes) -> None:
    said = made["endpoint0"].run(["{python}", "-c", "import sys; print(sys.prefix)"], timeout=60).stdout
    assert said.strip() == sys.prefix


def test_two_runs_do_not_disturb_each_other(made: Nodes, tmp_path: Path) -> None:
    with nodes(tmp_path) as other:
        assert other.node("cloud0").address == made.node("cloud0").address
        other["cloud0"].put(Path(__file__), PurePosixPath("/tmp/only-here"))
        assert "only-here" not in made["cloud0"].run(["ls", "/tmp"], timeout=60).stdout
        other.destroy()
        assert sh(made, "cloud0", "echo alive").strip() == "alive"


IN_CONTAINER = """
import sys
from pathlib import Path
from tests.e2e.local_nodes import nodes
with nodes(Path(sys.argv[1])) as made:
    print(made["cloud0"].run(["getent", "hosts", "endpoint0"], timeout=60).stdout.split()[1])
    print(made["cloud0"].run(["cat", "/mnt/inner/file"], timeout=60).stdout)
    edit = "echo new > /mnt/inner/file; cat /mnt/inner/file"
    print(made["cloud0"].run(["sh", "-c", edit], timeout=60).stdout)
"""


def test_mounts_of_the_host_and_hosts_file_of_a_container(tmp_path: Path) -> None:
    """A file mounted over /etc/hosts, as containers have it, and a further file system."""
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    inner = "mkdir /mnt/inner && mount -t tmpfs none /mnt/inner && echo old > /mnt/inner/file"
    script = (
        f"mount --bind {tmp_path}/hosts /etc/hosts && mount -t tmpfs none /mnt && {inner} &&"
        ' "$@" && cat /mnt/inner/file'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", IN_CONTAINER, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["endpoint0", "old", "new", "old"]


IN_OVERLAY = """
import sys
from pathlib import Path
from tests.e2e.local_nodes import nodes
with nodes(Path(sys.argv[1])) as made:
    made["cloud0"].run(["sh", "-c", "echo x > /etc/passwd"], timeout=60)
    print(made["endpoint0"].run(["wc", "-l", "/etc/passwd"], timeout=60).stdout.split()[0])
    print(*made.run.notes())
"""


def test_run_in_a_folder_that_holds_no_layers(tmp_path: Path) -> None:
    """As in a container, whose own root is an overlay: changes are kept in memory and that is said."""
    for name in ("upper", "work", "top"):
        (tmp_path / name).mkdir()
    overlay = f"mount -t overlay overlay -o lowerdir=/etc,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = f'{overlay} {tmp_path}/top && "$@"'
    base = str(tmp_path / "top" / "base")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", IN_OVERLAY, base],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines, note = done.stdout.splitlines()
    assert int(lines) > 1
    assert "kept in memory" in note


ROUND_TRIP = """
import socket, sys, time
start = time.monotonic()
try:
    socket.create_connection((sys.argv[1], 9), 10)
except ConnectionRefusedError:
    print(time.monotonic() - start)
"""


def test_kernels_traffic_control_shapes_what_leaves_a_node(tmp_path: Path) -> None:
    if lack := capabilities()["netem"]:
        pytest.skip(lack)
    links = "network_engine = netem\nnetwork_emulation = True\ncloud_endpoint_latency_avg = 20"
    with nodes(tmp_path, more=links) as made:
        shape = topology_builder.from_config(made.run.config)
        deployment = Deployment(shape, made.nodes, made.connections, "netem")
        open_engine("netem").shape(deployment, made.run)
        said = made["endpoint0"].run(["{python}", "-c", ROUND_TRIP, "cloud0"], timeout=60).stdout
        assert float(said) > 0.03


def test_engine_that_only_passes_packets_on_is_started_where_the_kernel_shapes(tmp_path: Path) -> None:
    """The same without netem in the kernel: the links are plain wires then."""
    run = new_run(tmp_path)
    try:
        run.update_state(engine="netem")
        provider_ = registry.provider("local")
        made = provider_.create(topology_builder.from_config(run.config).nodes, run)
        connection = provider_.connect(made[0], run)
        said = connection.run(["{python}", "-c", ROUND_TRIP, made[1].name], timeout=60).stdout
        assert float(said) > 0
    finally:
        destroy(registry.provider("local"), run)
    assert not (run.directory / "fabric.sock").exists()
