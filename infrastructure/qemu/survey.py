"""What a machine of guests says of itself through a shell: addresses, ports in use, whether KVM works."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from continuum.errors import HostError
from infrastructure.qemu import acceleration, wires
from infrastructure.qemu.machines import Machine

TIMEOUT_S = 30.0
_LOOK = """\
echo "$SSH_CONNECTION"
echo "$HOME"
id -u
cat /proc/net/udp /proc/net/udp6 2>/dev/null | awk '{ print $2 }' | grep : | tr '\\n' ' '
echo
cat /proc/net/route
"""
_PROVE = """\
export PATH="$PATH:/usr/sbin:/sbin"
[ -e /dev/kvm ] || { echo 'there is no /dev/kvm'; exit; }
[ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo '/dev/kvm may not be used'; exit; }
command -v qemu-system-x86_64 >/dev/null && [ "$(uname -m)" = x86_64 ] || exit 0
disk=$(mktemp) && trap 'rm -f "$disk"' EXIT && echo %(sector)s | base64 -d >"$disk"
timeout -s KILL %(seconds)g %(command)s >/dev/null 2>&1
[ $? = %(done)d ] || echo 'a tiny guest does not come to its end under KVM'
"""


@dataclass(frozen=True)
class Survey:
    """What a machine says of itself.

    Attributes:
        home: the user's home folder there.
        user_id: the user's id there.
        caller: address from which it was asked; empty on this machine.
        address: its own address, at which it was asked; empty on this machine.
        udp_ports: ports in use there.
        networks: what it has a way to.
    """

    home: str
    user_id: int
    caller: str = ""
    address: str = ""
    udp_ports: frozenset[int] = frozenset()
    networks: tuple[IPv4Network, ...] = ()


def look(machine: Machine) -> Survey:
    """Ask a machine; HostError, with ssh's own words, when nobody can log in there."""
    return read(ask(machine, _LOOK))


def read(said: str) -> Survey:
    """A survey from what the machine's shell said. Pure."""
    connection, home, user_id, ports, routes = said.split("\n", 4)
    ends = connection.split()
    return Survey(
        home,
        int(user_id),
        *((ends[0], ends[2]) if len(ends) == 4 else ("", "")),
        frozenset(int(port.rpartition(":")[2], 16) for port in ports.split()),
        wires.host_routes(routes),
    )


def lack_of_kvm(machine: Machine) -> str:
    """What speaks against KVM on another machine; empty when a tiny guest ran to its end there."""
    command = acceleration.proof_command("qemu-system-x86_64", '"$disk"')
    script = _PROVE % {
        "sector": base64.b64encode(acceleration.BOOT_SECTOR).decode(),
        "seconds": acceleration.PROOF_TIMEOUT_S,
        "command": " ".join(command),
        "done": acceleration.DONE,
    }
    return ask(machine, script).strip()


def ask(machine: Machine, script: str) -> str:
    """What a shell script says there."""
    return _run(machine.shell(script), machine.name)


def _run(argv: Sequence[str], name: str) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise HostError(f"there is no {argv[0]}; run: sudo apt-get install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{name}: does not answer by ssh (waited {TIMEOUT_S:g} s)") from None
    if done.returncode:
        words = done.stderr.strip() or f"status {done.returncode}"
        raise HostError(f"{name}: {words}; can you log in there with: ssh -o BatchMode=yes {name}")
    return done.stdout
