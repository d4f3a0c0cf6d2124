"""Facts about a node before it is set up, gathered by one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError

_TIMEOUT_S = 60.0
_PARALLEL = 16
_COMMAND = """
echo init=$(cat /proc/1/comm)
echo cpus=$(nproc --all)
echo memory_kb=$(sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo)
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
if [ -w /proc/sys/vm/swappiness ]; then echo kernel=own; else echo kernel=shared; fi
if [ -c /dev/kvm ]; then echo kvm=yes; else echo kvm=no; fi
"""


@dataclass(frozen=True)
class NodeFacts:
    """Facts about a node.

    Attributes:
        has_systemd: whether systemd starts its services.
        cpus: processors it sees, which may be more than it may use.
        memory_kb: memory it sees in KiB, likewise.
        cgroup_version: 1 or 2.
        owns_kernel: whether it may change settings of its kernel.
        has_kvm: whether it can run virtual machines with hardware support.
    """

    has_systemd: bool
    cpus: int
    memory_kb: int
    cgroup_version: int
    owns_kernel: bool
    has_kvm: bool = False


def gather_facts(deployment: Deployment, nodes: Sequence[str]) -> Mapping[str, NodeFacts]:
    """The facts about some nodes, by name; all nodes at the same time.

    Raises:
        DeployError: a node prints something else than facts; the message names it.
    """

    def ask(node: str) -> NodeFacts:
        printed = deployment.connections[node].run(["/bin/sh", "-c", _COMMAND], timeout=_TIMEOUT_S).stdout
        try:
            return parse(printed)
        except ValueError as error:
            raise DeployError(f"{node}: its facts cannot be read: {error}") from error

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return dict(zip(nodes, pool.map(ask, nodes), strict=True))


def parse(text: str) -> NodeFacts:
    """The facts that the command printed; pure.

    Raises:
        ValueError: a fact is missing or no number.
    """
    printed = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if missing := {"init", "cpus", "memory_kb", "cgroup", "kernel"} - printed.keys():
        raise ValueError(f"no {', '.join(sorted(missing))} in {text[:200]!r}")
    return NodeFacts(
        has_systemd=printed["init"] == "systemd",
        cpus=int(printed["cpus"]),
        memory_kb=int(printed["memory_kb"]),
        cgroup_version=int(printed["cgroup"]),
        owns_kernel=printed["kernel"] == "own",
        has_kvm=printed.get("kvm") == "yes",
    )
