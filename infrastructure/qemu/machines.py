"""Machines of guests: libvirt daemons on this and other machines, and their ssh commands; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

_ADDRESS = re.compile(r"(?:ssh://)?(?:[\w.-]+@)?[\w.-]+(?::\d+)?")
_SSH = "qemu+ssh"
_REFUSED = ("no_verify", "no_sanity")
"""Parameters of libvirt's URIs that switch off the check of host keys."""

SSH_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "EscapeChar": "none",
    "LogLevel": "ERROR",
}


@dataclass(frozen=True)
class Machine:
    """A libvirt daemon that runs guests.

    Attributes:
        uri: its URI.
    """

    uri: str

    @property
    def is_session(self) -> bool:
        """Whether it is a user's session daemon, which may not create bridges."""
        return urlsplit(self.uri).path == "/session"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        parts = urlsplit(self.uri)
        return not parts.hostname and parts.scheme in ("qemu", "qemu+unix")

    @property
    def has_ssh(self) -> bool:
        """Whether it is reached by ssh."""
        return urlsplit(self.uri).scheme == _SSH

    @property
    def name(self) -> str:
        """Its name for users: account and host, or the whole URI if there is no host."""
        parts = urlsplit(self.uri)
        return parts.netloc or self.uri

    def ssh(self, *options: str) -> tuple[str, ...]:
        """The ssh command that logs in as libvirt does, including the destination.

        Args:
            options: further options of ssh.
        """
        parts = urlsplit(self.uri)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        words = [given.get("command", "ssh")]
        for name, value in SSH_OPTIONS.items():
            words += ["-o", f"{name}={value}"]
        if parts.port:
            words += ["-p", str(parts.port)]
        if "keyfile" in given:
            words += ["-i", given["keyfile"]]
        host = parts.hostname or ""
        user = f"{unquote(parts.username)}@" if parts.username else ""
        return (*words, *options, "--", f"{user}{host}")

    def shell(self, script: str) -> tuple[str, ...]:
        """The command that runs a shell script on it."""
        if self.has_ssh:
            return (*self.ssh("-T"), f"sh -c {shlex.quote(script)}")
        return ("sh", "-c", script)

    def proxy_to(self, host: str, port: int) -> tuple[str, ...]:
        """The command whose standard streams are a connection from the machine to a port."""
        return self.ssh("-W", f"{host}:{port}") if self.has_ssh else ()


def external(address: str, like: Machine) -> Machine:
    """A machine of ``external_physical_machines``.

    Args:
        address: as in the config: an SSH address as in ``user@host``, or a libvirt URI.
        like: the first machine; an SSH address means the same kind of daemon (system or session).
    """
    if address.startswith("qemu"):
        return Machine(address)
    path = "session" if like.is_session else "system"
    return Machine(f"{_SSH}://{address.removeprefix('ssh://')}/{path}?no_tty=1")


def every(uri: str, externals: Sequence[str]) -> tuple[Machine, ...]:
    """All machines of a config, the first one first."""
    first = Machine(uri)
    return (first, *(external(address, first) for address in externals))


def fault(address: str) -> str:
    """What is wrong with an address of ``external_physical_machines``; empty if it is valid."""
    if not address.startswith("qemu"):
        if _ADDRESS.fullmatch(address):
            return ""
        return 'not an SSH address; write e.g. "user@host"'
    return uri_fault(address)


def uri_fault(uri: str) -> str:
    """What is wrong with a libvirt URI; empty if it is valid."""
    parts = urlsplit(uri)
    if not parts.scheme.startswith("qemu") or parts.path not in ("/system", "/session"):
        return 'not a libvirt URI of QEMU; write e.g. "qemu:///system"'
    refused = [name for name in _REFUSED if name in parse_qs(parts.query)]
    if refused:
        return f"{refused[0]} would accept any host key; remove it, and add the host's key to known_hosts"
    machine = Machine(uri)
    if not machine.is_local and not machine.has_ssh:
        return 'another machine must be reached by ssh; write e.g. "qemu+ssh://user@host/system"'
    return ""
