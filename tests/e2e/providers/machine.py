"""A second machine for tests of several: a libvirt daemon and an ssh daemon in a network of their own."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import libvirtd
from tests.e2e import sshd

WHY_NOT = libvirtd.missing_requirement() or sshd.WHY_NOT

_CLIENT = """\
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile none
"""
_START_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Machine:
    """A machine that can be reached by ssh.

    Attributes:
        uri: its libvirt daemon, by ssh.
        direct_uri: the same, past ssh.
        network: its network namespace.
        address: of its ssh daemon.
        gateway: address of this machine, seen from there.
    """

    uri: str
    direct_uri: str
    network: str
    address: str
    gateway: str

    def processes(self) -> list[str]:
        """Command lines of the QEMUs in its network."""
        argv = ["ip", "netns", "pids", self.network]
        found = subprocess.run(argv, capture_output=True, text=True, check=True)
        lines = []
        for pid in found.stdout.split():
            with contextlib.suppress(OSError):
                lines.append((Path("/proc") / pid / "cmdline").read_text().replace("\0", " "))
        return [line for line in lines if "qemu-system" in line]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """A machine until the end; nothing of it is left then."""
    name, third = f"cn{os.getpid()}", os.getpid() % 254 + 1
    here, there = f"10.213.{third}.1", f"10.213.{third}.2"
    made = folder / "ssh"
    _make_keys(made, there)
    listen = [str(sshd.SSHD), "-D", "-f", f"{made}/sshd_config", "-o", f"ListenAddress={there}"]
    beside = f"mkdir -p /run/sshd; exec {shlex.join(listen)}"
    with _network(name, here, there), libvirtd.daemon(folder / "libvirt", name, beside) as direct:
        uri = f"qemu+ssh://root@{there}/system?no_tty=1&command={made}/client"
        _wait_for(made, there)
        yield Machine(uri, direct, name, there, here)


def _make_keys(folder: Path, address: str) -> None:
    folder.mkdir(parents=True)
    for key in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    (folder / "sshd_config").write_text(sshd.daemon_config(folder))
    (folder / "ssh_config").write_text(_CLIENT.format(folder=folder))
    (folder / "client").write_text(f'#!/bin/sh\nexec ssh -F {folder}/ssh_config "$@"\n')
    (folder / "client").chmod(0o755)
    sshd.trust(folder, address)


@contextlib.contextmanager
def _network(name: str, here: str, there: str) -> Iterator[None]:
    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", f"{here}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "address", "add", f"{there}/30", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        ip("netns", "delete", name, check=False)
        ip("link", "delete", f"{name}a", check=False)


def _wait_for(folder: Path, address: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    argv = [f"{folder}/client", "-o", "BatchMode=yes", f"root@{address}", "true"]
    while (done := subprocess.run(argv, capture_output=True, check=False)).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{address}: {done.stderr.decode()}")
        time.sleep(0.2)
