"""The provider ``baremetal`` against OpenSSH's real daemon, in nodes of the provider ``local``.

The kernel of these nodes is this host's, which need not have netem: the commands for it are compared where
it lacks it, and links are those of the nodes' own network.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from continuum.config import topology_builder
from continuum.pipeline import open_run
from continuum.rundir import run as runs
from tests.e2e import program, sshd
from tests.e2e.providers import hosts as making
from tests.e2e.providers.hosts import Hosts, config

pytestmark = [
    pytest.mark.root,
    pytest.mark.providers,
    pytest.mark.skipif(bool(sshd.WHY_NOT), reason=sshd.WHY_NOT),
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with making.two(tmp_path_factory.mktemp("hosts")) as made:
        yield made


def test_a_run_leaves_hosts_as_they_were(tmp_path: Path, hosts: Hosts) -> None:
    before = hosts.state("cloud0"), hosts.state("endpoint0")
    done = program.run(config(tmp_path, hosts), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {phase["name"]: phase["status"] for phase in result["phases"]}["verify"] == "ok"
    assert {(link["src"], link["dst"]) for link in result["network"]} == {
        ("cloud", "endpoint"),
        ("endpoint", "cloud"),
    }
    assert all(link["measured"]["rtt_ms"] > 0 for link in result["network"])
    assert any("no delay is configured; the real network adds" in note for note in result["notes"])
    assert (hosts.state("cloud0"), hosts.state("endpoint0")) == before


def test_nodes_are_used_by_name_until_down(tmp_path: Path, hosts: Hosts) -> None:
    before = hosts.state("cloud0"), hosts.state("endpoint0")
    up = program.run("up", config(tmp_path, hosts), cwd=tmp_path)
    assert up.returncode == 0, up.stderr
    run_id = up.stdout.splitlines()[-1]
    by_name = program.run(
        "exec", run_id, "cloud0", "--", "getent", "hosts", "cloud0", "endpoint0", cwd=tmp_path
    )
    lines = [line.split() for line in by_name.stdout.splitlines()]
    own = {node.name: node.address for node in open_run.nodes(open_run.load(runs.find(run_id)))}
    assert lines == [[own["cloud0"], "cloud0"], [own["endpoint0"], "endpoint0"]]
    assert hosts.on("endpoint0", "getent hosts cloud0").split()[0] == own["endpoint0"]
    program.run(
        "exec", run_id, "cloud0", "--", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &", cwd=tmp_path
    )
    assert hosts.on("endpoint0", "pgrep -fx 'sleep 1000'")
    assert hosts.on("endpoint0", "ls /var/lib/continuum").split() == [run_id]
    down = program.run("down", run_id, cwd=tmp_path)
    assert down.returncode == 0, down.stderr
    assert (hosts.state("cloud0"), hosts.state("endpoint0")) == before


def test_a_host_that_drops_ends_the_run_and_is_cleaned_up_later(tmp_path: Path, hosts: Hosts) -> None:
    before = hosts.state("cloud0"), hosts.state("endpoint0")
    with program.started(config(tmp_path, hosts), cwd=tmp_path) as process:
        program.wait_for("  shape ", tmp_path, process)
        hosts.switch_off(hosts.camera, "cloud0")
        assert process.wait(program.TIMEOUT_S) in {4, 5}
    said = (tmp_path / "stderr").read_text()
    try:
        assert "endpoint0: the connection to testcamera was lost" in said
        assert "Traceback" not in said
        run_id = program.run_directory(tmp_path).name
        again = program.run("destroy", run_id, cwd=tmp_path)
        assert again.returncode == 4
        assert "endpoint0: testcamera cannot be reached" in again.stderr
        assert f"continuum destroy {run_id} --forget" in again.stderr
        assert hosts.state("endpoint0") == before[1]
        given_up = program.run("destroy", run_id, "--forget", cwd=tmp_path)
        assert given_up.returncode == 0, given_up.stderr
        assert f"testcamera (endpoint0): folder /var/lib/continuum/{run_id}\n" in given_up.stdout
        assert program.run("destroy", "--all", cwd=tmp_path).returncode == 0  # nobody waits for it any more
    finally:
        (hosts.camera.folder / "on").touch()
    done = program.run("destroy", run_id, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (hosts.state("cloud0"), hosts.state("endpoint0")) == before


def test_killed_while_hosts_are_in_use(tmp_path: Path, hosts: Hosts) -> None:
    before = hosts.state("cloud0"), hosts.state("endpoint0")
    with program.started(config(tmp_path, hosts), cwd=tmp_path) as process:
        program.wait_for("  provision ", tmp_path, process)
        process.kill()
        process.wait(program.TIMEOUT_S)
    done = program.run("destroy", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (hosts.state("cloud0"), hosts.state("endpoint0")) == before


def test_what_hosts_lack_is_said_before_anything_is_done(tmp_path: Path, hosts: Hosts) -> None:
    more = "network_emulation = True\n"
    path = config(tmp_path, hosts, more)
    path.write_text(path.read_text().replace("cloud_memory = 64 MiB", "cloud_memory = 6000000 MiB"))
    (hosts.camera.folder / "on").unlink()
    try:
        done = program.run("up", path, cwd=tmp_path)
    finally:
        (hosts.camera.folder / "on").touch()
    assert done.returncode == 3
    assert "cloud0 (testcloud) has" in done.stderr
    assert "MiB of memory, and cloud_memory is 6000000 MiB" in done.stderr
    assert "endpoint0: testcamera cannot be reached" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_host_whose_traffic_is_shaped_already_is_left_alone(tmp_path: Path, hosts: Hosts) -> None:
    from continuum.config import loader as configs
    from continuum.errors import ProvisionError
    from continuum.modules import registry

    shape = "tc qdisc replace dev eth0 root handle 7: pfifo limit 77"
    assert shutil.which("tc")
    hosts.on("endpoint0", shape)
    before = hosts.state("endpoint0")
    read = configs.load(config(tmp_path, hosts, f"network_emulation = True\nbase_path = {tmp_path}"))
    run = runs.create(read)
    provider = registry.provider("baremetal")
    try:
        with pytest.raises(
            ProvisionError, match=r"cloud0: testcloud: the traffic of eth0 is shaped already \(pfifo 7:\)"
        ):
            provider.create(topology_builder.from_config(read).nodes, run)
        provider.destroy(run, run.owned())
        assert hosts.state("endpoint0") == before
    finally:
        hosts.on("endpoint0", "tc qdisc del dev eth0 root")


def test_our_own_queues_are_taken_off_and_no_others(tmp_path: Path, hosts: Hosts) -> None:
    from continuum.config import loader as configs
    from continuum.modules import registry

    before = hosts.state("endpoint0")
    read = configs.load(config(tmp_path, hosts, f"network_emulation = True\nbase_path = {tmp_path}"))
    run = runs.create(read)
    provider = registry.provider("baremetal")
    nodes = provider.create(topology_builder.from_config(read).nodes, run)
    assert {node.interface for node in nodes} == {"eth0"}
    hosts.on("endpoint0", "tc qdisc replace dev eth0 root handle 1: htb")
    assert "htb 1:" in hosts.on("endpoint0", "tc qdisc show dev eth0")
    provider.destroy(run, run.owned())
    provider.destroy(run, run.owned())
    assert hosts.state("endpoint0") == before
