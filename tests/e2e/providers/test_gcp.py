"""The provider ``gcp`` through Google's own client, against a server that keeps state and fails as told."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.errors import ContinuumError, ProvisionError
from continuum.host import facts
from continuum.model.node import Node
from continuum.pipeline import teardown
from continuum.rundir import run as rundir
from continuum.rundir.run import Run
from tests.e2e import sshd
from tests.e2e.providers.fake_gcp import FakeCompute, Fault

if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.cloud") is None:
    pytest.skip("google-cloud-compute is not installed (extra gcp)", allow_module_level=True)

from continuum.modules import registry
from infrastructure.gcp import names
from infrastructure.gcp.api import Timeouts
from infrastructure.gcp.provider import GcpProvider

pytestmark = pytest.mark.providers

CHECKOUT = Path(__file__).resolve().parents[3]
QUICK = Timeouts(request_s=3, operation_s=3, boot_s=0.3, poll_s=0.01, most_retry_s=0.05)

TEXT = """
[infrastructure]
provider = gcp
infra_only = True
gcp_project = project-1
gcp_zone = europe-west4-a
gcp_cloud = e2-standard-2
gcp_endpoint = e2-small
gcp_api = {api}
gcp_source = 203.0.113.7
cloud_nodes = 1
cloud_cores = 2
cloud_memory = 8
endpoint_nodes = 3
endpoint_cores = 2
endpoint_memory = 2
{more}
"""


@pytest.fixture
def fake() -> Iterator[FakeCompute]:
    with FakeCompute().serving() as served:
        yield served


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> GcpProvider:
    made = registry.provider("gcp")
    assert isinstance(made, GcpProvider)
    monkeypatch.setattr(made, "timeouts", QUICK)
    return made


@pytest.fixture
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instances of the fake cannot be logged into; what is under test here is the API."""
    monkeypatch.setattr(GcpProvider, "_prepare", lambda self, node, *_: node)


def new_run(tmp_path: Path, fake: FakeCompute, more: str = "") -> Run:
    file = tmp_path / "gcp.cfg"
    file.write_text(TEXT.format(api=fake.url, more=f"base_path = {tmp_path}\n{more}"))
    run = rundir.create(config.load(file))
    run.own("provider", "gcp")
    return run


def make(provider: GcpProvider, run: Run) -> tuple[Node, ...]:
    return provider.create(topology_builder.from_config(run.config).nodes, run)


def only(things: dict[str, dict[str, object]], suffix: str) -> dict[str, object]:
    (found,) = [thing for name, thing in things.items() if name.endswith(suffix)]
    return found


def test_everything_is_made_as_described_and_removed(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    run = new_run(tmp_path, fake, "gcp_spot = True")
    nodes = make(provider, run)
    assert [node.name for node in nodes] == ["cloud0", "endpoint0", "endpoint1", "endpoint2"]
    assert len({node.address for node in nodes}) == 4
    left = fake.left()
    assert {kind: len(found) for kind, found in left.items()} == {
        "networks": 1, "subnetworks": 1, "firewalls": 2, "instances": 4, "disks": 4,
    }  # fmt: skip
    login = only(fake.resources["firewalls"], "-ssh")
    assert login["sourceRanges"] == ["203.0.113.7/32"]
    assert login["allowed"] == [{"IPProtocol": "tcp", "ports": ["22"]}]
    assert only(fake.resources["firewalls"], "-inside")["sourceRanges"] == ["10.80.0.0/16"]
    cloud: dict[str, object] = only(fake.resources["instances"], "-cloud0")
    assert cloud["machineType"] == "zones/europe-west4-a/machineTypes/e2-standard-2"
    assert cloud["labels"]["continuum-run"] == names.label(run.id)  # type: ignore[index]
    assert cloud["scheduling"]["provisioningModel"] == "SPOT"  # type: ignore[index]
    told = {item["key"]: item["value"] for item in cloud["metadata"]["items"]}  # type: ignore[index]
    assert told["ssh-keys"] == f"continuum:{(run.directory / 'ssh' / 'key.pub').read_text().strip()}"
    assert (run.directory / "ssh" / "key").stat().st_mode & 0o777 == 0o600
    journalled = {ident for _, ident in run.owned()}
    assert all(name in journalled for kind, found in left.items() if kind != "disks" for name in found)
    teardown.destroy(run)
    assert fake.left() == {}
    teardown.destroy(run)


def test_the_journal_alone_is_enough(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    run = new_run(tmp_path, fake)
    make(provider, run)
    (run.directory / "config.cfg").unlink()
    GcpProvider.timeouts = QUICK
    try:
        GcpProvider().destroy(Run(run.directory), run.owned())
    finally:
        GcpProvider.timeouts = None
    assert fake.left() == {}


@pytest.mark.parametrize("kept", ["instances", "disks", "firewalls", "subnetworks", "networks"])
def test_what_no_journal_tells_of_is_found_by_its_mark(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None, kept: str
) -> None:
    """Whatever of it is left; and other people's runs in the same project are left alone."""
    run = new_run(tmp_path, fake, "[run]\nname = My-Run\n")
    make(provider, run)
    for kind in fake.resources:
        if kind != kept and (kept, kind) != ("instances", "disks"):
            fake.resources[kind].clear()
    theirs = {
        "name": "continuum-theirs",
        "labels": {"continuum-run": "another"},
        "description": "continuum-run=another continuum-owner=0123456789abcdef",
    }
    fake.resources[kept]["continuum-theirs"] = theirs
    shutil.rmtree(run.directory)
    assert list(provider.survivors(facts.read())) == [run.id]
    assert run.id.endswith("My-Run")
    teardown.destroy_stray(provider, run.id)
    assert fake.left() == {kept: ["continuum-theirs"]}


def test_a_project_that_does_not_answer_keeps_nobody_from_cleaning_up(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    from tests.e2e import program

    run = new_run(tmp_path, fake)
    make(provider, run)
    teardown.destroy(run)
    fake.faults = [Fault("GET", "/instances", 403, "forbidden", times=-1)]
    done = program.run("destroy", "--all", cwd=tmp_path)
    assert done.returncode == 4
    assert done.stderr.startswith("Google Cloud: list instances: not allowed")


FAULTS = {
    "401": (Fault("POST", "/networks", 401, "authError", times=-1), "gcloud auth application-default login"),
    "403": (Fault("POST", "/instances", 403, "forbidden", times=-1), "role Compute Admin"),
    "quota": (Fault("POST", "/instances", skip=2, operation="QUOTA_EXCEEDED"), "quota is used up"),
    "quota at once": (
        Fault("POST", "/instances", 403, "quotaExceeded", skip=1, times=-1),
        "quota is used up",
    ),
    "zone": (
        Fault("POST", "/instances", skip=1, operation="ZONE_RESOURCE_POOL_EXHAUSTED", times=-1),
        "no capacity left.*another gcp_zone",
    ),
    "endless": (Fault("POST", "/instances", skip=1, operation="never"), "not finished after 3 s"),
    "rate": (Fault("POST", "/firewalls", 429, "rateLimitExceeded", times=-1), "too many requests"),
    "5xx": (Fault("POST", "/subnetworks", 503, "backendError", times=-1), "create subnetwork"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_in_words_and_leaves_nothing(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None, name: str
) -> None:
    fault, words = FAULTS[name]
    fake.faults = [replace(fault)]
    provider.timeouts = Timeouts(request_s=0.3, operation_s=3, boot_s=0.3, poll_s=0.01, most_retry_s=0.05)
    run = new_run(tmp_path, fake)
    with pytest.raises(ProvisionError, match=words) as failed:
        make(provider, run)
    assert failed.value.exit_status == 4
    assert str(failed.value).startswith("Google Cloud: create ")
    teardown.destroy(run)
    assert fake.left() == {}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None, status: int
) -> None:
    fake.faults = [
        Fault("POST", "/networks", status, "backendError", times=2),
        Fault("GET", "/operations", status, "backendError", times=3),
        Fault("POST", "/instances", status, "backendError", skip=1, times=2),
        Fault("DELETE", "/instances", status, "backendError", times=2),
        Fault("GET", "/instances$", status, "backendError", times=1),
    ]
    run = new_run(tmp_path, fake)
    assert len(make(provider, run)) == 4
    teardown.destroy(run)
    assert fake.left() == {}
    assert all(fault.times == 0 for fault in fake.faults)


def test_the_server_says_how_long_to_wait(monkeypatch: pytest.MonkeyPatch, fake: FakeCompute) -> None:
    from infrastructure.gcp import api
    from infrastructure.gcp.settings import CloudLocation

    waited: list[float] = []
    monkeypatch.setattr(api.time, "sleep", waited.append)
    fake.faults = [Fault("GET", "/disks", 429, "rateLimitExceeded", {"Retry-After": "7"}, times=2)]
    cloud = api.Cloud(CloudLocation("p", "r", "r-a", api=fake.url), Timeouts(poll_s=0.5))
    assert cloud.list("Disks", "") == ()
    assert waited == [7.0, 7.0]


def test_what_is_to_wait_waits_as_long_as_told_and_is_made_then(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    wait = {"Retry-After": "1"}
    fake.faults = [Fault("POST", "/instances", 429, "rateLimitExceeded", wait, skip=3, times=1)]
    provider.timeouts = replace(QUICK, most_retry_s=2)
    run = new_run(tmp_path, fake)
    assert len(make(provider, run)) == 4
    asked = [at for at, line in zip(fake.at, fake.requests, strict=True) if line.endswith("/instances")]
    assert len(asked) == 5
    assert asked[-1] - asked[-2] >= 1
    teardown.destroy(run)
    assert fake.left() == {}


@pytest.mark.parametrize("kind", ["networks", "subnetworks", "firewalls", "instances"])
def test_an_answer_that_is_lost_makes_nothing_twice(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None, kind: str
) -> None:
    fake.faults = [Fault("POST", f"/{kind}", lose_answer=True)]
    run = new_run(tmp_path, fake)
    assert len(make(provider, run)) == 4
    assert len(fake.left()["instances"]) == 4
    teardown.destroy(run)
    assert fake.left() == {}


def test_a_name_that_is_taken_already_is_the_runs_own(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    """After a repeated request that the server no longer recognises: 409."""
    run = new_run(tmp_path, fake)
    fake.resources["networks"][names.network(run.id)] = {"name": names.network(run.id)}
    assert len(make(provider, run)) == 4
    teardown.destroy(run)
    assert fake.left() == {}


def test_destroy_goes_on_after_a_failure_and_names_it(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, no_ssh: None
) -> None:
    run = new_run(tmp_path, fake)
    make(provider, run)
    fake.faults = [Fault("DELETE", "/firewalls", 403, "forbidden", times=-1)]
    provider.timeouts = Timeouts(request_s=0.3, operation_s=0.3, boot_s=0.3, poll_s=0.01, most_retry_s=0.05)
    with pytest.raises(ContinuumError, match="delete firewall"):
        teardown.destroy(run)
    assert sorted(fake.left()) == ["firewalls", "networks"]
    fake.faults = []
    teardown.destroy(run)
    assert fake.left() == {}


def test_an_instance_that_does_not_come_up_is_named(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider
) -> None:
    fake.host_keys = {}
    run = new_run(tmp_path, fake)
    with pytest.raises(
        ProvisionError, match=r"(cloud|endpoint)\d: .*has not published its host keys within 0\.3 s"
    ):
        make(provider, run)
    teardown.destroy(run)
    assert fake.left() == {}


def test_an_instance_that_cannot_be_logged_into_is_named(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on the fake's addresses."""
    run = new_run(tmp_path, fake, "gcp_ssh_port = 1")
    with pytest.raises(ProvisionError, match=r"continuum@127\.0\.80\.\d cannot be reached: .*refused"):
        make(provider, run)
    teardown.destroy(run)
    assert fake.left() == {}


KILLED = """
import sys
from continuum.config import topology_builder
from continuum.modules import registry
from continuum.pipeline import open_run
from pathlib import Path
provider = registry.provider("gcp")
run = open_run.load(Path(sys.argv[1]))
provider.create(topology_builder.from_config(run.config).nodes, run)
"""


@pytest.mark.parametrize("kind", ["networks", "subnetworks", "firewalls", "instances"])
def test_killed_between_the_request_and_its_answer(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, kind: str
) -> None:
    run = new_run(tmp_path, fake)
    popen = subprocess.Popen([sys.executable, "-c", KILLED, str(run.directory)], cwd=CHECKOUT)
    fake.faults = [
        Fault("POST", f"/{kind}", after=lambda: os.kill(popen.pid, signal.SIGKILL), lose_answer=True)
    ]
    assert popen.wait(60) == -signal.SIGKILL
    assert fake.left()[kind]
    teardown.destroy(run)
    assert fake.left() == {}


def test_command_line_from_plan_to_destroy(tmp_path: Path, fake: FakeCompute) -> None:
    from tests.e2e import program

    new = tmp_path / "new"
    new.mkdir()
    file = tmp_path / "gcp.cfg"
    file.write_text(TEXT.format(api=fake.url, more=""))
    planned = program.run("plan", file, cwd=new)
    assert planned.returncode == 0, planned.stderr
    assert "per hour in europe-west4:\n  cloud: 1 x e2-standard-2: 0.080 USD" in planned.stdout
    assert fake.requests == []
    assert json.loads(program.run("plan", file, "--json", cwd=new).stdout)["estimate"]
    fake.faults = [Fault("POST", "/instances", 403, "forbidden", times=-1)]
    failed = program.run("up", file, cwd=new)
    assert failed.returncode == 4
    assert "role Compute Admin" in failed.stderr
    assert fake.left() == {}


@pytest.fixture
def booting(fake: FakeCompute, tmp_path: Path) -> Iterator[int]:
    """Instances of the fake can be logged into: one real daemon on loopback stands for all of them.

    Yields its port. It runs in a mount namespace of its own, so that it changes no file of this host.
    """
    if sshd.WHY_NOT:
        pytest.skip(sshd.WHY_NOT)
    folder = tmp_path / "guest"
    sshd.make(folder)
    (folder / "authorized_keys").unlink()
    fake.host_keys = dict([(folder / "host_key.pub").read_text().split()[:2]])

    def boot(instance: dict[str, object]) -> None:
        told = {item["key"]: item["value"] for item in instance["metadata"]["items"]}  # type: ignore[index]
        (folder / "authorized_keys").write_text(told["ssh-keys"].partition(":")[2] + "\n")

    fake.on_boot = boot
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    mounts = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; mkdir /run/sshd"
    serve = f"exec {sshd.SSHD} -D -f {folder}/sshd_config -p {port}"
    listen = " ".join(f"-o ListenAddress=127.0.80.{number}" for number in range(1, 5))
    daemon = subprocess.Popen(["unshare", "--mount", "sh", "-c", f"{mounts}; {serve} {listen}"])
    try:
        yield port
    finally:
        daemon.terminate()
        daemon.wait(20)


def test_instances_are_logged_into_by_the_runs_key(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, booting: int
) -> None:
    provider.timeouts = replace(QUICK, boot_s=20)
    run = new_run(tmp_path, fake, f"gcp_user = root\ngcp_ssh_port = {booting}")
    nodes = make(provider, run)
    known = (run.directory / "ssh" / "known_hosts").read_text().splitlines()
    assert sorted(line.split()[0] for line in known) == [f"[127.0.80.{n}]:{booting}" for n in range(1, 5)]
    assert {node.interface for node in nodes} == {"lo"}
    connections = {node.name: provider.connect(node, run) for node in nodes}
    for node in nodes:
        said = connections[node.name].run(["getent", "hosts", "cloud0", node.name], timeout=60).stdout.split()
        assert said == [nodes[0].address, "cloud0", node.address, node.name]
    used = provider.usage(Deployment(topology_builder.from_config(run.config), nodes, connections), run)
    assert all((used[node.name].cpu_seconds or 0) > 0 for node in nodes)
    for connection in connections.values():
        connection.close()
    teardown.destroy(run)
    assert fake.left() == {}


def test_an_instance_that_is_not_who_it_should_be_is_refused(
    tmp_path: Path, fake: FakeCompute, provider: GcpProvider, booting: int
) -> None:
    fake.host_keys = {"ssh-ed25519": "AAAAC3NzaC1lZDI1NTE5AAAAIJ1JcrmyRIWmeVHBqLRKqrLaGWFSBXzAQNVQEIpzbVSb"}
    run = new_run(tmp_path, fake, f"gcp_user = root\ngcp_ssh_port = {booting}")
    with pytest.raises(ProvisionError, match="REMOTE HOST IDENTIFICATION HAS CHANGED"):
        make(provider, run)
    teardown.destroy(run)
    assert fake.left() == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [4, pytest.param(10, marks=pytest.mark.long)])
def test_kill_at_random_moments_leaves_nothing_after_destroy_all(
    tmp_path: Path, fake: FakeCompute, booting: int, times: int
) -> None:
    """The whole program, with every moment of its run as likely as any other."""
    from tests.e2e import program
    from tests.e2e.leaks import no_leaks

    fake.looks = 2
    file = tmp_path / "gcp.cfg"
    more = f"gcp_user = root\ngcp_ssh_port = {booting}\n"
    file.write_text(TEXT.format(api=fake.url, more=more).replace("endpoint_nodes = 3", "endpoint_nodes = 1"))
    begun = time.monotonic()
    up = program.run("up", file, cwd=tmp_path, timeout_s=300)
    took_s = time.monotonic() - begun
    assert up.returncode == 0, up.stderr
    assert program.run("destroy", "--all", cwd=tmp_path, timeout_s=300).returncode == 0
    assert fake.left() == {}
    found = set()
    for share in random.Random(7).sample(range(2, 100), times):
        fake.forget_addresses()
        with no_leaks("processes"), program.started("up", file, cwd=tmp_path) as process:
            time.sleep(took_s * share / 100)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            found |= set(fake.left())
            done = program.run("destroy", "--all", cwd=tmp_path, timeout_s=300)
        assert done.returncode == 0, f"killed at {share} %: {done.stderr}"
        assert fake.left() == {}, f"killed at {share} %"
    assert "instances" in found
