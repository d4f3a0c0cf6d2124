"""The real ssh daemon of OpenSSH for tests: one process a connection, its network a pair of pipes.

``ssh`` reaches it by a ``ProxyCommand`` in a configuration of the test's own, so nothing listens anywhere.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from continuum.connection.ssh.connection import SshTarget

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))

RUN_ID = f"20260101-000000-test{os.getpid()}"
"""Run that commands belong to by default; of this process alone, for tests end all processes of a run."""

PATH = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.defpath])
"""Where commands on the host are looked up; first the Python that runs the tests."""

WHY_NOT = (
    "sshd is not installed (apt-get install openssh-server)"
    if SSHD is None
    else "the daemon changes users, which takes root"
    if os.geteuid()
    else ""
)

_DAEMON = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxSessions 10
SetEnv HOME={folder} PATH={path}
"""
# A home of its own: start-up files of this machine's root may do anything, such as wait for a lock that a
# killed command has left.


CLIENT = """\
Host {name}
    HostName {address}
    User root
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
    ProxyCommand {proxy}
"""


@dataclass(frozen=True)
class Sshd:
    """A host that can be reached, and the files both sides need.

    Attributes:
        name: the host's alias.
        folder: keys and configuration.
    """

    name: str
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    def target(self, node: str = "cloud0", run_id: str = RUN_ID) -> SshTarget:
        return SshTarget(node, run_id, self.name, config=self.config)

    def daemons(self) -> list[int]:
        """Process ids of the daemons that serve connections of this host now, where they run on this host."""
        with suppress(FileNotFoundError):
            return [pid for pid in map(int, (self.folder / "pids").read_text().split()) if _is_daemon(pid)]
        return []

    def drop(self) -> None:
        """End every connection, as a host does that loses its power."""
        for pid in self.daemons():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


def make(folder: Path, name: str = "testhost", enter: Sequence[str] = (), address: str = "") -> Sshd:
    """A host that is on as long as its file ``on`` is there.

    Args:
        folder: for its keys and configuration.
        name: its alias.
        enter: the words that lead into where its daemon is to run; by default this host.
        address: what the alias stands for.
    """
    assert SSHD
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    (folder / "sshd_config").write_text(daemon_config(folder))
    # The daemon wants /run/sshd to exist; here it is in a mount namespace of its own.
    script = (
        f"echo $$ >>{folder}/pids; mount -t tmpfs tmpfs /run && mkdir /run/sshd"
        f" && exec {SSHD} -i -f {folder}/sshd_config"
    )
    (folder / "on").touch()
    entered = shlex.join([*enter, "unshare", "--mount", "sh", "-c", script])
    proxy = shlex.join(["sh", "-c", f"test -e {folder}/on && exec {entered}"])
    (folder / "ssh_config").write_text(
        CLIENT.format(name=name, address=address or name, folder=folder, proxy=proxy)
    )
    trust(folder, name, address or name)
    return Sshd(name, folder)


def daemon_config(folder: Path) -> str:
    """The configuration of a daemon whose keys are in a folder."""
    return _DAEMON.format(folder=folder, path=PATH)


def trust(folder: Path, *names: str) -> None:
    """Enter the host's key where ``ssh`` looks it up."""
    public = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"{','.join(names)} {public[0]} {public[1]}\n")


def _is_daemon(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "comm").read_text() == "sshd\n"
    except OSError:
        return False
