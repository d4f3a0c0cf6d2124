"""Command lines of ``ssh`` and of the shell on the node; pure.

All quoting for the node's shell is here: a list of arguments arrives unchanged.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from continuum.model.limits import Limits
from continuum.sdk import protocol

LOST = 255
"""Exit status of ``ssh`` if the connection failed."""

ALIVE_INTERVAL_S, ALIVE_COUNT = 5, 3
"""A host that does not answer this many keep-alive messages, sent at this interval, is lost."""

_PATH = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
# The shell remains, to convert a signal to a status, which ssh does not transmit.
_RUN = 'eval "$1"; t=$2; shift 2; "$@"; s=$?; printf "\\n%s %d\\n" "$t" "$s" >&2; exit "$s"'
# Variables are read from standard input, so that no process list shows them; dd reads no byte too many.
_START = 'eval "$(dd bs=1 count="$1" 2>/dev/null)"; shift; "$@"'
_ATTACH = 'eval "$1"; shift; exec "$@"'


@dataclass(frozen=True)
class SshTarget:
    """A host and how to log in to it.

    Attributes:
        node: the node's name.
        run_id: the run it belongs to.
        host: its address or name, or an alias of ``config``.
        user: account on it; empty for ssh's default.
        port: port of its ssh daemon; None for ssh's default.
        key: the only private key to use; None for the user's agent and keys.
        known_hosts: the only file with host keys; None for the user's files.
        config: ssh configuration file; None for the user's own, or for none if ``key`` and ``known_hosts``
            are given.
        sudo: whether commands need ``sudo``.
        python: the Python interpreter on the node.
        connect_timeout_s: time limit for the network connection.
        acceptance_timeout_s: time limit, after that, for the authentication of host and account.
        wrap: prefix of a command that applies its limits.
        enter: prefix of all commands except helpers such as those of ``put`` and ``clock``.
        proxy: command whose standard streams are the connection to the ssh daemon; empty for a direct one.
        cipher: preferred cipher; empty for ssh's default.
    """

    node: str
    run_id: str
    host: str
    user: str = ""
    port: int | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    sudo: bool = False
    python: str = "python3"
    connect_timeout_s: float = 10.0
    acceptance_timeout_s: float = 20.0
    wrap: Callable[[Limits], Sequence[str]] = field(default=lambda _limits: ())
    enter: tuple[str, ...] = ()
    proxy: tuple[str, ...] = ()
    cipher: str = ""

    @property
    def destination(self) -> str:
        """Account and host, as an argument of ssh."""
        return f"{self.user}@{self.host}" if self.user else self.host


def ssh(target: SshTarget, socket: Path, *words: str) -> list[str]:
    """The client's command, up to the destination.

    Args:
        target: the host.
        socket: control socket of the master.
        words: further options.
    """
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(max(1, round(target.connect_timeout_s))),
        "ServerAliveInterval": str(ALIVE_INTERVAL_S),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "ControlPath": str(socket).replace("%", "%%"),
        "ControlPersist": "no",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "UpdateHostKeys": "no",
        "EscapeChar": "none",
        "LogLevel": "ERROR",
        **_identity(target),
    }
    if target.cipher:
        options["Ciphers"] = f"^{target.cipher}"
    if target.proxy:
        options["ProxyCommand"] = shlex.join(target.proxy).replace("%", "%%")
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    file = _config_file(target)
    port = ["-p", str(target.port)] if target.port else []
    return ["ssh", *(["-F", file] if file else []), *settings, *port, *words, "--", target.destination]


def _identity(target: SshTarget) -> dict[str, str]:
    """Options for the private key and the known host keys."""
    options: dict[str, str] = {}
    if target.key:
        options |= {"IdentityFile": _in_config(target.key), "IdentitiesOnly": "yes"}
        options |= {"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no"}
    if target.known_hosts:
        options |= {"UserKnownHostsFile": _in_config(target.known_hosts), "GlobalKnownHostsFile": "none"}
    return options


def _in_config(path: Path) -> str:
    """A path as the value of an option: quoted, with percent signs escaped."""
    return '"' + str(path).replace("%", "%%") + '"'


def _config_file(target: SshTarget) -> str:
    if target.config:
        return str(target.config)
    return "none" if target.key and target.known_hosts else ""


def environment(target: SshTarget, token: str, own: Mapping[str, str]) -> str:
    """Shell code that sets the environment of a command on the node."""
    variables = {
        "LANG": "C.UTF-8",
        protocol.ENV_RUN: target.run_id,
        protocol.ENV_NODE: target.node,
        **own,
        protocol.ENV_PROCESS: token,
    }
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return f"export {_PATH} {words}"


def run(target: SshTarget, token: str, argv: Sequence[str]) -> str:
    """Shell code that runs a command and appends its exit status to standard error."""
    return _shell(target, _RUN, environment(target, token, {}), token, *_words(target, argv))


def start(target: SshTarget, header: bytes, argv: Sequence[str]) -> str:
    """Shell code that reads its environment from standard input, then runs a command."""
    return _shell(target, _START, str(len(header)), *_words(target, argv))


def attach(target: SshTarget, token: str, argv: Sequence[str]) -> str:
    """Shell code that is replaced by a command."""
    return _shell(target, _ATTACH, environment(target, token, {}), *_words(target, argv))


def _words(target: SshTarget, argv: Sequence[str]) -> list[str]:
    return [target.python if word == "{python}" else word for word in argv]


def _shell(target: SshTarget, script: str, *words: str) -> str:
    sudo = ["sudo", "-n", "--"] if target.sudo else []
    return "exec " + shlex.join([*sudo, "sh", "-c", script, "continuum", *words])


def split_status(stderr: bytes, token: str) -> tuple[int | None, bytes]:
    """The exit status that the code of ``run`` appended, and the standard error before it.

    The status is None if the command did not end normally.
    """
    head, found, tail = stderr.rpartition(f"\n{token} ".encode())
    status = tail.strip()
    if not found or not status.isdigit():
        return None, stderr
    return int(status), head
