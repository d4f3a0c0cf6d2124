"""Settings of containers, as the Docker API takes them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from continuum.host.cgroup.group_plan import quota_us
from continuum.model.topology import NodeSpec
from continuum.sdk import protocol

LABEL_RUN = "continuum.run"
LABEL_NODE = "continuum.node"
LABEL_USER = "continuum.user"
LABEL_FOLDER = "continuum.folder"
LABEL_ORIGIN = "continuum.origin"
LABEL_STATE = "continuum.state"

# Process 1 of a container must reap processes whose parent has ended; a waiting shell does.
COMMAND = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 86400 & wait $!; done")

# For nodes that run containers themselves: writable control groups and shared mounts. With cgroup v2, a group
# that delegates controllers must not contain processes.
_NESTING = """
mount --make-rshared /
for m in /sys/fs/cgroup /sys/fs/cgroup/*; do
    if mountpoint -q "$m"; then mount -o remount,bind,rw "$m"; fi
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    for n in 1 2 3; do
        while read -r p; do echo "$p" >/sys/fs/cgroup/init/cgroup.procs; done </sys/fs/cgroup/cgroup.procs
        sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control && break
    done
fi
"""

# Settings of the host's kernel outside the node's namespaces.
_READ_ONLY = (
    *("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"),
    *("/proc/sys/fs", "/proc/sys/kernel", "/proc/sys/vm"),
)

NESTED_FILES = "/var/lib/containerd"
"""Folder of a container engine's files in a node: a volume, since overlay file systems cannot be stacked."""


@dataclass(frozen=True)
class Labels:
    """The labels by which a container's run is found.

    Attributes:
        run_id: the run.
        user_id: id of the user who started it.
        folder: the run's folder.
        origin: the namespaces of the process that started it, see ``host.namespaces``; empty if unknown.
        state: the state folder that the user has chosen, see ``rundir.index``; empty for the default.
    """

    run_id: str
    user_id: int
    folder: str
    origin: str = ""
    state: str = ""

    def of(self, node: str) -> dict[str, str]:
        """The labels of the container of a node."""
        return {
            LABEL_RUN: self.run_id,
            LABEL_NODE: node,
            LABEL_USER: str(self.user_id),
            LABEL_FOLDER: self.folder,
            LABEL_ORIGIN: self.origin,
            LABEL_STATE: self.state,
        }


def container_name(run_id: str, node: str) -> str:
    """Name of the container of a node."""
    return f"continuum-{run_id}-{node}"


def node(
    spec: NodeSpec,
    labels: Labels,
    image: str,
    addresses: Mapping[str, str],
    device: str,
    *,
    shapes: bool = False,
) -> dict[str, Any]:
    """The container of a node, as the body of ``POST /containers/create``.

    CPU quotas are applied later, by ``quota``.

    Args:
        spec: the node's specification.
        labels: its labels.
        image: its image.
        addresses: IPv4 address of every node of the run, by name.
        device: disk with the container's files, as ``/dev/sda``; empty if it cannot be throttled.
        shapes: whether the node shapes its links itself, by traffic control.
    """
    return {
        "Image": image,
        "Hostname": spec.name,
        "Entrypoint": list(COMMAND[:1]),
        "Cmd": ["-c", _NESTING + COMMAND[2]] if spec.hosts_containers else list(COMMAND[1:]),
        **({"Volumes": {NESTED_FILES: {}}} if spec.hosts_containers else {}),
        "Labels": labels.of(spec.name),
        "Env": [f"{protocol.ENV_RUN}={labels.run_id}"],
        "NetworkDisabled": False,
        "HostConfig": {
            "NetworkMode": "none",
            "ExtraHosts": [f"{name}:{address}" for name, address in addresses.items()],
            "Memory": spec.memory_mb << 20,
            "MemorySwap": spec.memory_mb << 20,
            **({"CapAdd": ["NET_ADMIN"]} if shapes else {}),
            **(_nesting() if spec.hosts_containers else {}),
            **_cpus(spec),
            **_throttles(spec, device),
        },
    }


def hub(labels: Labels, name: str, image: str) -> dict[str, Any]:
    """A container that only provides its network namespace, as the body of ``POST /containers/create``."""
    return {
        "Image": image,
        "Hostname": name,
        "Entrypoint": list(COMMAND[:1]),
        "Cmd": list(COMMAND[1:]),
        "Labels": labels.of(name),
        "Env": [f"{protocol.ENV_RUN}={labels.run_id}"],
        "HostConfig": {"NetworkMode": "none"},
    }


def _nesting() -> dict[str, Any]:
    """What a container needs to run containers itself.

    Unlike a privileged container, it has no devices of the host and cannot change settings of its kernel.
    """
    return {
        "CapAdd": ["ALL"],
        "CapDrop": ["SYS_RESOURCE"],  # root of some hosts does not have it
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "CgroupnsMode": "private",
        "MaskedPaths": [],
        "ReadonlyPaths": list(_READ_ONLY),
    }


def _cpus(spec: NodeSpec) -> dict[str, Any]:
    return {"CpusetCpus": ",".join(str(cpu) for cpu in spec.cpus)} if spec.cpus else {}


def _throttles(spec: NodeSpec, device: str) -> dict[str, Any]:
    rates = {"BlkioDeviceReadBps": spec.read_mb_per_s, "BlkioDeviceWriteBps": spec.write_mb_per_s}
    return {
        key: [{"Path": device, "Rate": max(1, round(rate * 1e6))}]
        for key, rate in rates.items()
        if rate and device
    }


def quota(cpu_limit: float) -> dict[str, int]:
    """A CPU quota of ``cpu_limit`` CPUs, as the body of ``POST /containers/update``."""
    quota, period = quota_us(cpu_limit)
    return {"cpu_period": period, "cpu_quota": quota}
