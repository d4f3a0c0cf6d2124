"""Two hosts for tests of ``baremetal``: nodes of the provider ``local`` that OpenSSH's daemon runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from continuum.pipeline import open_run
from continuum.rundir import run as runs
from tests.e2e import program, sshd
from tests.e2e.sshd import Sshd

CONFIG = (
    """
[infrastructure]
provider = baremetal
baremetal_cloud = testcloud
baremetal_endpoint = testcamera
baremetal_ssh_config = {config}
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 64 MiB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 64 MiB
{more}
[run]
tolerance = 100 %, 500 ms
"""
    + program.TOLERATED
    + "\n"
)


@dataclass(frozen=True)
class Hosts:
    """Two hosts that can be reached by ssh.

    Attributes:
        outer: run of the nodes they are.
        cwd: where the outer run is kept.
        config: configuration of ssh that knows both.
        cloud: the first.
        camera: the second.
    """

    outer: str
    cwd: Path
    config: Path
    cloud: Sshd
    camera: Sshd

    def on(self, node: str, script: str) -> str:
        """What a shell on a host says, asked past ssh."""
        done = program.run("exec", self.outer, node, "--", "sh", "-c", script, cwd=self.cwd)
        return done.stdout

    def state(self, node: str) -> str:
        """Everything that a run could change on a host."""
        return self.on(node, "ls -la /var/lib/continuum 2>&1") + self.left(node)

    def left(self, node: str) -> str:
        """The same, but that the packages of workloads may stay."""
        return self.on(
            node,
            "ls -A /var/lib/continuum 2>/dev/null | grep -vx packages;"
            " cat /etc/hosts; mount | wc -l; tc qdisc show dev eth0;"
            " cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep '^CONTINUUM_RUN=' | sort -u",
        )

    def switch_off(self, host: Sshd, node: str) -> None:
        """Let a host drop: its daemons end, and nobody can log in any more."""
        (host.folder / "on").unlink()
        self.on(node, "pkill -9 sshd")


@contextmanager
def two(base: Path) -> Iterator[Hosts]:
    """Have two hosts as long as this lasts; they keep their files in ``base``."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "state"))
    # Root on a real host shapes its own traffic.
    nodes = program.config(
        base, cloud=1, edge=0, endpoint=1, emulation=False, infrastructure="local_capabilities = all"
    )
    up = program.run("up", nodes, cwd=base)
    assert up.returncode == 0, up.stderr
    outer = up.stdout.splitlines()[-1]
    try:
        # The nodes change places, so that a name resolved by the host itself would be the wrong one.
        made = [_host(base, outer, "testcloud", "endpoint0"), _host(base, outer, "testcamera", "cloud0")]
        config = base / "ssh_config"
        config.write_text("".join(one.config.read_text() for one in made))
        yield Hosts(outer, base, config, *made)
    finally:
        program.run("down", outer, cwd=base)
        monkeypatch.undo()


def _host(base: Path, outer: str, name: str, node_name: str) -> Sshd:
    run = open_run.load(runs.find(outer))
    (node,) = [one for one in open_run.nodes(run) if one.name == node_name]
    flags = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
    enter = ("nsenter", f"--target={node.handle['pid']}", *flags, "--")
    made = sshd.make(base / name, name, enter, node.address)
    with open_run.connect(outer, node_name) as connection:
        for file in ("host_key", "sshd_config", "authorized_keys"):
            connection.put(made.folder / file, PurePosixPath(str(made.folder / file)))
    return made


def config(folder: Path, hosts: Hosts, more: str = "", *, alone: bool = True) -> Path:
    """A config of these hosts.

    Args:
        folder: where to put it.
        hosts: the hosts.
        more: lines of ``[infrastructure]``, and further sections.
        alone: whether there is no benchmark.
    """
    path = folder / "bare.cfg"
    more = f"infra_only = {alone}\n{more}"
    path.write_text(CONFIG.format(config=hosts.config, more=more))
    return path
