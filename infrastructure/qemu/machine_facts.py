"""Facts about a machine of guests, from a shell on it: addresses, ports in use, whether KVM works."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from continuum.errors import HostError
from infrastructure.qemu import acceleration, run_network
from infrastructure.qemu.machines import Machine

TIMEOUT_S = 30.0
_QUERY = """\
echo "$SSH_CONNECTION"
echo "$HOME"
id -u
cat /proc/net/udp /proc/net/udp6 2>/dev/null | awk '{ print $2 }' | grep : | tr '\\n' ' '
echo
cat /proc/net/route
"""
_TEST_KVM = """\
export PATH="$PATH:/usr/sbin:/sbin"
[ -e /dev/kvm ] || { echo '/dev/kvm does not exist'; exit; }
[ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo 'no access to /dev/kvm'; exit; }
command -v qemu-system-x86_64 >/dev/null && [ "$(uname -m)" = x86_64 ] || exit 0
disk=$(mktemp) && trap 'rm -f "$disk"' EXIT && echo %(sector)s | base64 -d >"$disk"
timeout -s KILL %(seconds)g %(command)s >/dev/null 2>&1
[ $? = %(done)d ] || echo 'a test guest does not finish under KVM'
"""


@dataclass(frozen=True)
class MachineFacts:
    """Facts about a machine.

    Attributes:
        home: the user's home folder on it.
        user_id: the user's id on it.
        caller: address of this host as the machine sees it; empty for this machine.
        address: the machine's address that ssh connected to; empty for this machine.
        udp_ports: UDP ports in use.
        networks: networks that it has a route to.
    """

    home: str
    user_id: int
    caller: str = ""
    address: str = ""
    udp_ports: frozenset[int] = frozenset()
    networks: tuple[IPv4Network, ...] = ()


def query(machine: Machine) -> MachineFacts:
    """Query a machine; HostError with ssh's message if the login fails."""
    return parse(run_script(machine, _QUERY))


def parse(output: str) -> MachineFacts:
    """The facts from the output of the script; pure."""
    connection, home, user_id, ports, routes = output.split("\n", 4)
    ends = connection.split()
    return MachineFacts(
        home,
        int(user_id),
        *((ends[0], ends[2]) if len(ends) == 4 else ("", "")),
        frozenset(int(port.rpartition(":")[2], 16) for port in ports.split()),
        run_network.host_routes(routes),
    )


def kvm_obstacle(machine: Machine) -> str:
    """Why KVM cannot be used on another machine; empty if a test guest ran on it."""
    command = acceleration.test_command("qemu-system-x86_64", '"$disk"')
    script = _TEST_KVM % {
        "sector": base64.b64encode(acceleration.BOOT_SECTOR).decode(),
        "seconds": acceleration.TEST_TIMEOUT_S,
        "command": " ".join(command),
        "done": acceleration.DONE,
    }
    return run_script(machine, script).strip()


def run_script(machine: Machine, script: str) -> str:
    """Output of a shell script on a machine."""
    return _run(machine.shell(script), machine.name)


def _run(argv: Sequence[str], name: str) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise HostError(
            f"the command {argv[0]} is missing; run: sudo apt-get install openssh-client"
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(
            f"{name}: no answer by ssh within {TIMEOUT_S:g} s; try: ssh -o BatchMode=yes {name}"
        ) from None
    if done.returncode:
        words = done.stderr.strip() or f"status {done.returncode}"
        raise HostError(f"{name}: {words}; this must work: ssh -o BatchMode=yes {name}")
    return done.stdout
