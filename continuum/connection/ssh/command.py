"""What is said to ``ssh`` and to the shell at its other end; pure.

Everything a node's shell gets to see is quoted here: a list of arguments arrives there as that very list.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from continuum.model.limits import Limits
from continuum.sdk import protocol

LOST = 255
"""Exit status of ``ssh`` when it was the connection that failed."""

ALIVE_INTERVAL_S, ALIVE_COUNT = 5, 3
"""A host that answers none of this many questions in a row, this far apart, is gone."""

_PATH = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
# The shell stays: it turns a signal into a status, which ssh alone does not carry.
_RUN = 'eval "$1"; t=$2; shift 2; "$@"; s=$?; printf "\\n%s %d\\n" "$t" "$s" >&2; exit "$s"'
# Variables come by standard input, so that no process list shows them; dd takes not a byte too many.
_START = 'eval "$(dd bs=1 count="$1" 2>/dev/null)"; shift; "$@"'
_ATTACH = 'eval "$1"; shift; exec "$@"'


@dataclass(frozen=True)
class SshTarget:
    """A host and the way to it.

    Attributes:
        node: the node's name.
        run_id: the run it belongs to.
        host: its address or name, or an alias of ``config``.
        user: account there; empty for what ssh takes by itself.
        port: of its ssh daemon; None for what ssh takes by itself.
        key: private key to use and no other; None for the user's agent and keys.
        known_hosts: the only file with the host's key; None for the user's own files.
        config: the ssh configuration to read; None for the user's own, or none at all beside a ``key``
            with its own ``known_hosts``.
        sudo: whether commands need ``sudo`` to be root.
        python: the Python interpreter on the node.
        connect_timeout_s: longest wait for the network connection.
        acceptance_timeout_s: longest wait, after that, for host and account to be accepted.
        wrap: words put before a command that is to keep to its limits.
        enter: words put before every command but our own helpers, such as those of ``put`` and ``clock``.
        proxy: command whose input and output lead to the ssh daemon; empty where the network does.
        cipher: the one to prefer, as ssh calls it; empty for what ssh prefers by itself.
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
        """Account and host, as ssh takes them."""
        return f"{self.user}@{self.host}" if self.user else self.host


def ssh(target: SshTarget, socket: Path, *words: str) -> list[str]:
    """The client's command up to the destination; ``words`` are further options.

    Args:
        target: the host.
        socket: control socket of the master.
        words: more options.
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
    """Who we are and whom we believe."""
    options: dict[str, str] = {}
    if target.key:
        options |= {"IdentityFile": _in_config(target.key), "IdentitiesOnly": "yes"}
        options |= {"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no"}
    if target.known_hosts:
        options |= {"UserKnownHostsFile": _in_config(target.known_hosts), "GlobalKnownHostsFile": "none"}
    return options


def _in_config(path: Path) -> str:
    """A path as the value of an option: quoted, without tokens to expand."""
    return '"' + str(path).replace("%", "%%") + '"'


def _config_file(target: SshTarget) -> str:
    if target.config:
        return str(target.config)
    return "none" if target.key and target.known_hosts else ""


def environment(target: SshTarget, token: str, own: Mapping[str, str]) -> str:
    """Shell text that sets what a command on the node finds in its environment."""
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
    """Shell text that runs a command and says its exit status at the end of standard error."""
    return _shell(target, _RUN, environment(target, token, {}), token, *_words(target, argv))


def start(target: SshTarget, header: bytes, argv: Sequence[str]) -> str:
    """Shell text that takes its variables from the first bytes of standard input, then runs a command."""
    return _shell(target, _START, str(len(header)), *_words(target, argv))


def attach(target: SshTarget, token: str, argv: Sequence[str]) -> str:
    """Shell text that becomes a command."""
    return _shell(target, _ATTACH, environment(target, token, {}), *_words(target, argv))


def _words(target: SshTarget, argv: Sequence[str]) -> list[str]:
    return [target.python if word == "{python}" else word for word in argv]


def _shell(target: SshTarget, script: str, *words: str) -> str:
    sudo = ["sudo", "-n", "--"] if target.sudo else []
    return "exec " + shlex.join([*sudo, "sh", "-c", script, "continuum", *words])


def split_status(stderr: bytes, token: str) -> tuple[int | None, bytes]:
    """The exit status that ``run``'s text said, and what the command itself wrote before it.

    The status is None when the command did not come to its end.
    """
    head, found, tail = stderr.rpartition(f"\n{token} ".encode())
    status = tail.strip()
    if not found or not status.isdigit():
        return None, stderr
    return int(status), head
