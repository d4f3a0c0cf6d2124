"""What Ansible is told, and what is made of what it says; without Ansible."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.connection.ssh.command import ssh
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import ConfigError
from continuum.host import facts
from continuum.model.node import Node
from continuum.model.workload import Program, Workload
from continuum.modules.registry import ROOT
from continuum.rundir.run import Run
from continuum.software import node_programs, playbooks
from continuum.software.playbooks import inventory, settings
from continuum.software.playbooks.events import Failure, Follower, describe, failure, plain
from continuum.testing.fake_connection import FakeConnection

NODES = "[infrastructure]\ninfra_only = True\n" + "".join(
    f"{tier}_nodes = {count}\n{tier}_cores = 1\n{tier}_memory = 1\n"
    for tier, count in (("edge", 2), ("endpoint", 1))
)


def deployment(folder: Path) -> Deployment:
    planned = topology_builder.from_config(config.parse(NODES, "x.cfg"))
    nodes = tuple(Node(spec, f"10.0.0.{spec.index}", python="/opt/python") for spec in planned.nodes)
    return Deployment(planned, nodes, {n.name: FakeConnection(n.name, folder / n.name) for n in nodes})


def test_inventory_names_nodes_by_tier_and_the_way_to_each(tmp_path: Path) -> None:
    made = inventory.inventory(
        deployment(tmp_path), tmp_path, groups={"brokers": ["edge1"]}, of_node={"edge1": {"role": "broker"}}
    )["all"]
    assert {name: list(group["hosts"]) for name, group in made["children"].items()} == {
        "edge": ["edge0", "edge1"],
        "endpoint": ["endpoint0"],
        "brokers": ["edge1"],
    }
    edge1 = made["hosts"]["edge1"]
    assert edge1["ansible_connection"] == "continuum_node"
    assert edge1["continuum_broker_folder"] == str(tmp_path)
    assert edge1["ansible_python_interpreter"] == "/opt/python"
    assert (edge1["continuum_tier"], edge1["continuum_address"], edge1["role"]) == (
        "edge",
        "10.0.0.1",
        "broker",
    )
    assert "role" not in made["hosts"]["edge0"]


class Ssh(SshConnection):
    """A connection that is said to be open."""

    def client(self) -> list[str]:
        return ssh(self.target, Path("/tmp/x/s"), "-o", "ControlMaster=no")


def test_hosts_of_ssh_are_reached_by_the_very_connection_that_is_open(tmp_path: Path) -> None:
    node = deployment(tmp_path).nodes[0]
    target = SshTarget("edge0", "run", "host.example", "me", 2222, tmp_path / "a key", tmp_path / "known")
    told = inventory.access(node, Ssh(target), tmp_path)
    assert (told["ansible_connection"], told["ansible_host"], told["ansible_user"]) == (
        "ssh",
        "host.example",
        "me",
    )
    common = told["ansible_ssh_common_args"]
    for expected in ("ControlPath=/tmp/x/s", "ControlMaster=no", "StrictHostKeyChecking=yes", "-p 2222"):
        assert expected in common
    assert told["ansible_ssh_args"] == ""
    assert told["ansible_remote_tmp"] == "/var/lib/continuum/ansible"
    assert "continuum_broker_folder" not in told
    by_sudo = inventory.access(node, Ssh(replace(target, sudo=True)), tmp_path)
    assert by_sudo["ansible_connection"] == "continuum_node"


def test_configuration_is_the_runs_own(tmp_path: Path) -> None:
    text = settings.configuration(forks=99)
    assert "pipelining = True" in text
    assert "host_key_checking = True" in text
    assert f"forks = {settings.MOST_FORKS}" in text
    assert "home = home" in text
    environment = settings.environment(Run(tmp_path / "20260101-000000-x"), tmp_path)
    assert environment["CONTINUUM_RUN"] == "20260101-000000-x"
    # Without it, a `destroy --all` of another folder would take Ansible's processes for strays.
    assert environment["CONTINUUM_RUN_DIRECTORY"] == str(tmp_path / "20260101-000000-x")
    assert environment["ANSIBLE_HOST_KEY_CHECKING"] == "True"


def event(kind: str, stdout: str = "", **data: object) -> dict[str, object]:
    return {"event": kind, "stdout": stdout, "event_data": data}


def test_a_playbook_becomes_a_log_a_line_a_task_and_its_failures() -> None:
    log, told = io.StringIO(), list[str]()
    follow = Follower(log, told.append)
    for one in (
        event("playbook_on_task_start", "\x1b[0;32mTASK [Copy]\x1b[0m\r\n", name="Copy"),
        event("runner_on_ok", "ok", host="edge0", task="Copy", res={"changed": True}),
        event("runner_on_ok", host="edge1", task="Copy", res={"changed": False}),
        event("playbook_on_task_start", name="Nobody's"),
        event("runner_on_skipped", host="edge0"),
        event("playbook_on_task_start", name="Start"),
        event("runner_on_failed", host="edge1", task="Start", ignore_errors=True, res={"msg": "never mind"}),
        event("runner_on_failed", host="edge0", task="Start", res={"msg": "bad", "stderr": "one\ntwo"}),
        event("playbook_on_stats"),
    ):
        assert follow(one) is False
    assert log.getvalue() == "TASK [Copy]\nok\n"
    assert [line.rpartition(",")[0] for line in told] == [
        "Copy: 2 nodes, 1 changed",
        "Start: 2 nodes, 1 FAILED",
    ]
    assert follow.changed == {"edge0": 1}
    assert describe(follow.failures) == ['edge0: task "Start" failed: bad\n  one\n  two']
    log.close()
    assert follow(event("playbook_on_task_start", "TASK [Late]", name="Late")) is False


def test_where_nodes_go_on_by_themselves_each_result_belongs_to_its_own_task() -> None:
    told: list[str] = []
    follow = Follower(io.StringIO(), told.append)
    copy, start = {"task": "Copy", "task_uuid": "1"}, {"task": "Start", "task_uuid": "2"}
    for one in (
        event("playbook_on_task_start", name="files : Copy", **copy),
        event("runner_on_ok", host="edge0", duration=1.0, **copy),
        event("playbook_on_task_start", name="Start", **start),
        event("runner_on_ok", host="edge1", duration=90.0, res={"changed": True}, **copy),
        event("runner_on_ok", host="edge0", duration=4.0, **start),
        event("playbook_on_stats"),
    ):
        follow(one)
    assert told == [
        "files : Copy: 1 node, 1.0 s",
        "files : Copy: 1 node, 1 changed, 90.0 s",
        "Start: 1 node, 4.0 s",
    ]


def test_a_failure_ends_with_the_output() -> None:
    lines = "\n".join(str(number) for number in range(100))
    assert failure("n", "t", {"msg": "m", "stdout": lines}).output == tuple(map(str, range(92, 100)))
    assert failure("n", "t", {"msg": "first\nsecond"}).output == ("second",)
    looped = {"msg": "All items completed", "results": [{"failed": False}, {"failed": True, "msg": "item"}]}
    assert failure("n", "t", looped).message == "item"


def test_the_same_failure_on_many_nodes_is_told_once() -> None:
    failures = [Failure(f"edge{number}", "t", "m") for number in range(10)]
    (line,) = describe(failures)
    assert line.startswith("edge0, edge1, ")
    assert line.endswith('edge7 and 2 more: task "t" failed: m')


def test_escape_codes_are_removed() -> None:
    assert plain("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b[K\r\n") == "red plain\n"


def test_no_ansible_is_one_line_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    lack = playbooks.missing_requirement()
    assert "ansible-runner" in lack
    assert "[playbooks]" in lack
    assert "\n" not in lack


def test_playbooks_are_found_by_their_phase() -> None:
    assert playbooks.find(ROOT / "application" / "video", "install") is not None
    assert playbooks.find(ROOT / "application" / "video", "deploy") is None


BROKER = Program("no-such-broker", "broker-package", "transport", "use another transport")
WORKER = Workload("worker", "edge", ("x",), programs=(BROKER,))


def test_a_program_this_host_lacks_is_a_problem_unless_packages_are_at_hand(tmp_path: Path) -> None:
    bare = config.parse(f"{NODES}[benchmark]\ntransport = mqtt\n", "x.cfg")
    (problem,) = node_programs.missing_programs([WORKER], bare, facts.read())
    assert (
        "no-such-broker is not installed on this host; apt install broker-package, or use another transport"
        in str(problem)
    )
    assert list(node_programs.missing_programs([Workload("w", "edge", ("x",))], bare, facts.read())) == []
    supplied = config.parse(NODES.replace("infra_only", f"artifact_dir = {tmp_path}\ninfra_only"), "x.cfg")
    if not playbooks.missing_requirement():
        assert list(node_programs.missing_programs([WORKER], supplied, facts.read())) == []


def test_sources_of_software_are_checked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = f"{NODES}artifact_dir = {tmp_path}/file\npackage_mirror = [trusted=yes] x\n"
    with pytest.raises(ConfigError) as refused:
        config.parse(text, "x.cfg")
    said = str(refused.value)
    assert "artifact_dir" in said
    assert "no such folder" in said
    assert "package_mirror" in said
    good = config.parse(
        f"{NODES}artifact_dir = {tmp_path}\npackage_mirror = http://m.example/debian\n", "x.cfg"
    )
    assert good.infrastructure.path("artifact_dir") == tmp_path


def test_importing_the_package_does_not_import_ansible() -> None:
    import subprocess

    code = (
        "import sys, json, continuum.software.playbooks\n"
        "print(json.dumps([m for m in sys.modules if 'ansible' in m]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
