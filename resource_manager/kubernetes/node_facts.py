"""What has to be known of a node before it is set up: asked by one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from continuum.connection.deployment import Deployment

_TIMEOUT_S = 60.0
_PARALLEL = 16
_ASK = """
echo init=$(cat /proc/1/comm)
echo cpus=$(nproc --all)
echo memory_kb=$(sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo)
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
if [ -w /proc/sys/vm/swappiness ]; then echo kernel=own; else echo kernel=shared; fi
"""


@dataclass(frozen=True)
class NodeFacts:
    """What is known of a node.

    Attributes:
        has_systemd: whether systemd starts its services.
        cpus: processors it sees, which may be more than it may use.
        memory_kb: memory it sees in KiB, likewise.
        cgroup_version: 1 or 2.
        owns_kernel: whether it may change settings of its kernel.
    """

    has_systemd: bool
    cpus: int
    memory_kb: int
    cgroup_version: int
    owns_kernel: bool


def gather_facts(deployment: Deployment, nodes: Sequence[str]) -> Mapping[str, NodeFacts]:
    """Ask every node, all at once."""

    def ask(node: str) -> NodeFacts:
        command = ["/bin/sh", "-c", _ASK]
        return parse(deployment.connections[node].run(command, timeout=_TIMEOUT_S).stdout)

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return dict(zip(nodes, pool.map(ask, nodes), strict=True))


def parse(text: str) -> NodeFacts:
    """The facts from what the command says; pure."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return NodeFacts(
        has_systemd=said["init"] == "systemd",
        cpus=int(said["cpus"]),
        memory_kb=int(said["memory_kb"]),
        cgroup_version=int(said["cgroup"]),
        owns_kernel=said["kernel"] == "own",
    )
