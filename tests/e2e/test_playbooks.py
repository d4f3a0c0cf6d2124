"""Playbooks on real nodes: what they install, that they change nothing twice, and how they fail."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from application import video
from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.connection.ssh.connection import SshConnection
from continuum.errors import DeployError
from continuum.host import facts
from continuum.model.workload import Program, Workload
from continuum.software import node_programs, playbooks
from tests.e2e import apt_mirror, debs, local_nodes, program, sshd
from tests.e2e.leaks import no_leaks
from tests.e2e.local_nodes import Nodes

pytestmark = [
    pytest.mark.providers,
    pytest.mark.root,
    pytest.mark.skipif(bool(playbooks.missing_requirement()), reason=playbooks.missing_requirement()),
]
needs_debian = pytest.mark.skipif(bool(debs.WHY_NOT), reason=debs.WHY_NOT)
needs_sshd = pytest.mark.skipif(bool(sshd.WHY_NOT), reason=sshd.WHY_NOT)
DEADLINE_S = 60
VIDEO_FOLDER = Path(str(video.__file__)).parent

PLAYBOOK = """
- hosts: all
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: "{{ continuum_node }} of {{ continuum_tier }} says {{ word }}"
        dest: /var/lib/playbook-test
    - name: Say something in colour
      ansible.builtin.command: printf '\\033[31mred\\033[0m'
      changed_when: false
"""


@contextmanager
def nodes(tmp_path: Path, more: str = "") -> Iterator[Nodes]:
    with local_nodes.nodes(tmp_path / "base", endpoints=2, memory=256, more=more) as made:
        yield made


def deployment(made: Nodes) -> Deployment:
    planned = topology_builder.from_config(made.run.config)
    return Deployment(planned, made.nodes, made.connections)


def write(tmp_path: Path, text: str) -> Path:
    playbook = tmp_path / "module" / "playbooks" / "install.yml"
    playbook.parent.mkdir(parents=True, exist_ok=True)
    playbook.write_text(text)
    return playbook


def said(connection: object, *argv: str) -> str:
    return connection.run(argv, timeout=DEADLINE_S, check=False).stdout  # type: ignore[attr-defined]


def test_a_second_run_changes_nothing_and_a_failure_is_told_in_full(tmp_path: Path) -> None:
    playbook = write(tmp_path, PLAYBOOK)
    told: list[str] = []
    with no_leaks(), nodes(tmp_path) as made:
        made.run.tell = told.append
        first = playbooks.play(playbook, deployment(made), made.run, variables={"word": "hello"})
        assert first.changed == {"cloud0": 1, "endpoint0": 1, "endpoint1": 1}
        assert said(made["endpoint1"], "cat", "/var/lib/playbook-test") == "endpoint1 of endpoint says hello"
        assert [line.partition(",")[0] for line in told] == [
            "  module-install: Write a file: 3 nodes",
            "  module-install: Say something in colour: 3 nodes",
        ]
        again = playbooks.play(playbook, deployment(made), made.run, variables={"word": "hello"})
        assert again.changed == {}
        some = playbooks.play(
            playbook,
            deployment(made),
            made.run,
            nodes=["cloud0", "endpoint0"],
            variables={"word": "hello"},
            of_node={"cloud0": {"continuum_tier": "mine"}},
        )
        assert some.changed == {"cloud0": 1}
        _fails(tmp_path, made)
        log = first.log.read_bytes()
        assert b"Write a file" in log
        assert b"\x1b" not in log
        assert not list((made.run.directory / "playbooks").rglob("artifacts"))
    assert not Path("/var/lib/playbook-test").exists()


def _fails(tmp_path: Path, made: Nodes) -> None:
    task = "[sh, -c, 'seq 100; test $CONTINUUM_NODE != endpoint1']"
    text = f"- hosts: all\n  tasks:\n    - name: Count\n      ansible.builtin.command: {{argv: {task}}}\n"
    with pytest.raises(DeployError) as failed:
        playbooks.play(write(tmp_path, text), deployment(made), made.run)
    lines = str(failed.value).splitlines()
    assert lines[0].startswith('endpoint1: task "Count" failed: non-zero return code')
    assert [line.strip() for line in lines[1:-1]] == [str(number) for number in range(93, 101)]
    assert "logs/module-install.log" in lines[-1]
    assert DeployError.exit_status == 5
    with pytest.raises(DeployError, match="ended early"):
        playbooks.play(write(tmp_path, "- hosts: ["), deployment(made), made.run)
    _ends_the_others(tmp_path, made)
    slow = "- hosts: all\n  tasks:\n    - name: Wait\n      ansible.builtin.command: sleep 30\n"
    with pytest.raises(DeployError, match="timed out after 2 s"):
        playbooks.play(write(tmp_path, slow), deployment(made), made.run, nodes=["cloud0"], timeout_s=2)


def _ends_the_others(tmp_path: Path, made: Nodes) -> None:
    """Nodes that would wait for one that has failed are not waited for."""
    task = "[sh, -c, 'test $CONTINUUM_NODE != endpoint1 && sleep 600']"
    head = "- hosts: all\n  strategy: free\n  tasks:\n    - name: Wait\n"
    text = f"{head}      ansible.builtin.command: {{argv: {task}}}\n"
    with pytest.raises(DeployError, match=r'^endpoint1: task "Wait" failed'):
        playbooks.play(write(tmp_path, text), deployment(made), made.run, timeout_s=120, linger_s=0.5)


@needs_debian
def test_a_broker_that_a_node_lacks_is_installed_from_package_files(tmp_path: Path) -> None:
    broker = facts.read().find_command("mosquitto")
    if broker is None:
        pytest.skip("mosquitto is not installed, of which the test makes a package")
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    policy = "/usr/sbin/policy-rc.d mosquitto start; echo $? >/var/lib/policy-status"
    debs.make(
        artifacts,
        "mosquitto",
        {"/opt/broker/mosquitto": broker},
        depends="mosquitto-test-path",
        postinst=policy,
    )
    debs.make(
        artifacts,
        "mosquitto-test-path",
        {"/usr/local/bin/mosquitto": '#!/bin/sh\nexec /opt/broker/mosquitto "$@"'},
    )
    debs.make(artifacts, "not-needed", {"/usr/local/bin/not-needed": "#!/bin/sh"})
    (planned,) = [w for w in _video_workloads(tmp_path) if w.programs]
    with no_leaks(), nodes(tmp_path, f"artifact_dir = {artifacts}") as made:
        workload = replace(planned, tier="endpoint")
        node_programs.provide(VIDEO_FOLDER, (), [workload], deployment(made), made.run)
        assert not (made.run.directory / "playbooks").exists(), "both nodes have it; nothing is to be played"
        said(made["endpoint0"], "dpkg", "--purge", "--force-depends", "mosquitto")
        said(made["endpoint0"], "rm", "-f", str(broker), "/usr/local/bin/mosquitto", "/usr/sbin/policy-rc.d")
        node_programs.provide(VIDEO_FOLDER, (), [workload], deployment(made), made.run)
        assert "mosquitto version" in said(made["endpoint0"], "mosquitto", "-h")
        assert said(made["endpoint0"], "cat", "/var/lib/policy-status") == "101\n", "services are not started"
        left = said(made["endpoint0"], "ls", "/usr/sbin/policy-rc.d", "/var/lib/continuum/install")
        assert left == ""
        assert said(made["endpoint0"], "sh", "-c", "command -v not-needed") == ""
        assert "endpoint1" not in (made.run.directory / "logs" / "video-install.log").read_text()
        unknown = replace(workload, programs=(Program("no-such-broker", "x"),))
        with pytest.raises(
            DeployError, match="endpoint0 is missing no-such-broker; endpoint1 is missing no-such-broker"
        ):
            node_programs.provide(VIDEO_FOLDER, (), [unknown], deployment(made), made.run)


@needs_debian
@pytest.mark.skipif(bool(apt_mirror.WHY_NOT), reason=apt_mirror.WHY_NOT)
def test_packages_come_from_a_mirror_whose_key_the_node_has(tmp_path: Path) -> None:
    """Another node serves the mirror, over the links between nodes; there is no other source."""
    mirror = tmp_path / "mirror"
    (mirror / "pool").mkdir(parents=True)
    tool, library = {"/opt/tool": "#!/bin/sh\ncat /opt/word"}, {"/opt/word": "by mirror"}
    debs.make(mirror / "pool", "continuum-test-tool", tool, depends="continuum-test-library")
    debs.make(mirror / "pool", "continuum-test-library", library)
    role = "ansible.builtin.include_role: {name: packages}"
    text = f"- hosts: all\n  tasks:\n    - {role}\n      vars: {{packages: [continuum-test-tool]}}\n"
    with no_leaks(), nodes(tmp_path, "package_mirror = http://cloud0:8000/debian") as made:
        release = said(made["cloud0"], "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
        key = apt_mirror.make(mirror, release)
        made["cloud0"].run(["mkdir", "-p", "/srv/www"], timeout=DEADLINE_S)
        for file in (file for file in mirror.rglob("*") if file.is_file()):
            made["cloud0"].put(file, PurePosixPath("/srv/www/debian") / file.relative_to(mirror))
        serve = [sys.executable, "-m", "http.server", "--directory", "/srv/www", "8000"]
        server = made["cloud0"].start(serve, env={"PYTHONUNBUFFERED": "1"}, log=tmp_path / "server")
        _wait_for(tmp_path / "server", "Serving HTTP")

        def install() -> playbooks.PlaybookResult:
            return playbooks.play(write(tmp_path, text), deployment(made), made.run, nodes=["endpoint0"])

        with pytest.raises(DeployError, match='endpoint0: task "Install continuum-test-tool"') as refused:
            install()
        assert "NO_PUBKEY" in str(refused.value)
        made["endpoint0"].put(key, PurePosixPath("/etc/apt/trusted.gpg.d/continuum-test.asc"))
        assert "endpoint0" in install().changed
        assert said(made["endpoint0"], "/opt/tool") == "by mirror"
        assert install().changed == {}
        assert "GET /debian/pool/continuum-test-library_99_all.deb" in (tmp_path / "server").read_text()
        server.kill()


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, f"in vain: {text}"
        time.sleep(0.02)


def _video_workloads(tmp_path: Path) -> Sequence[Workload]:
    from continuum.config import loader as config

    read = config.load(program.config(tmp_path, duration=1, benchmark="transport = mqtt"))
    return video.Video().workloads(read, topology_builder.from_config(read))


@needs_sshd
def test_hosts_of_ssh_are_played_over_the_connection_that_is_open(tmp_path: Path) -> None:
    there = sshd.make(tmp_path / "sshd")
    task = f"ansible.builtin.copy: {{content: by ssh, dest: {tmp_path}/made, mode: '0600'}}"
    text = f"- hosts: all\n  tasks:\n    - name: File\n      {task}\n"
    with no_leaks(), nodes(tmp_path) as made:
        connection = SshConnection(there.target(run_id=made.run.id))
        ways = {**made.connections, "cloud0": connection}
        try:
            theirs = [replace(n, folder=str(tmp_path / "folder")) for n in made.nodes]
            given = replace(deployment(made), nodes=tuple(theirs), connections=ways)
            played = playbooks.play(write(tmp_path, text), given, made.run, nodes=["cloud0"])
            assert played.changed == {"cloud0": 1}
            assert (tmp_path / "made").read_text() == "by ssh"
            assert len(there.daemons()) == 1
            assert (tmp_path / "folder" / "ansible").is_dir()
            assert playbooks.play(write(tmp_path, text), given, made.run, nodes=["cloud0"]).changed == {}
        finally:
            connection.close()


def mist(tmp_path: Path, packages: str, artifacts: Path) -> Path:
    return program.config(
        tmp_path,
        edge=2,
        endpoint=2,
        infrastructure=f"artifact_dir = {artifacts}",
        duration=1,
        benchmark=f"resource_manager = mist\nmist_packages = {packages}",
    )


@needs_debian
def test_mist_installs_what_workers_need_and_edge_nodes_serve(tmp_path: Path) -> None:
    debs.make(tmp_path, "continuum-test-tool", {"/usr/local/bin/continuum-test-tool": "#!/bin/sh\necho here"})
    with no_leaks():
        done = program.run(mist(tmp_path, "continuum-test-tool", tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Install continuum-test-tool: 2 nodes, 2 changed" in done.stderr
    benchmark = program.result(tmp_path)["benchmark"]
    assert benchmark["resource_manager"] == "mist"
    assert benchmark["requests"]["completed"] == benchmark["requests"]["sent"] == 20
    samples = (program.run_directory(tmp_path) / "samples.csv").read_text()
    assert "edge0" in samples
    assert "edge1" in samples


@needs_debian
def test_a_package_that_cannot_be_had_ends_the_run_with_status_5(tmp_path: Path) -> None:
    debs.make(tmp_path, "something-else", {"/usr/local/bin/x": "#!/bin/sh"})
    with no_leaks():
        done = program.run(mist(tmp_path, "no-such-package", tmp_path), cwd=tmp_path)
    assert done.returncode == 5
    assert ': task "Install no-such-package" failed' in done.stderr
    assert "Unable to locate package no-such-package" in done.stderr
    assert "Traceback" not in done.stderr


@needs_debian
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_while_packages_are_installed_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    debs.make(tmp_path, "continuum-test-slow", {"/usr/local/bin/x": "#!/bin/sh"}, postinst="sleep 50")
    with no_leaks():
        with program.started(mist(tmp_path, "continuum-test-slow", tmp_path), cwd=tmp_path) as process:
            program.wait_for("Copy package files", tmp_path, process)
            time.sleep(0.3)  # well into the installation, or not; nothing may be left in either case
            process.send_signal(number)
            process.wait(program.TIMEOUT_S)
        if number == signal.SIGINT:
            assert process.returncode == 130
        destroyed = program.run("destroy", "--all", cwd=tmp_path)
        assert destroyed.returncode == 0, destroyed.stderr
