"""What is asked of the daemon for each node: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from continuum.model.topology import NodeSpec
from continuum.sdk import protocol

LABEL_RUN = "continuum.run"
LABEL_NODE = "continuum.node"
LABEL_USER = "continuum.user"
LABEL_FOLDER = "continuum.folder"

PERIOD_US = 10_000
"""Period in which a CPU quota is counted; at the usual 100 ms a quarter core would compute for 25 ms at full
speed, which is a whole inference."""

MIN_QUOTA_US = 1_000
"""Smallest quota the kernel accepts."""

MAX_PERIOD_US = 1_000_000
"""Longest period the kernel accepts."""

# Process 1 of a container takes care of processes whose parent has ended: a shell that waits does.
COMMAND = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 86400 & wait $!; done")

# Where containers run within it: its control groups may be written to, and mounts made in it are seen by all.
# With version 2 a group that passes controllers on may not have processes itself.
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

# Settings of the host's kernel that are not the node's own stay as they are.
_READ_ONLY = (
    *("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"),
    *("/proc/sys/fs", "/proc/sys/kernel", "/proc/sys/vm"),
)

NESTED_FILES = "/var/lib/containerd"
"""Where a container engine keeps its files in a node: a volume, since overlays lie on none of their kind."""


@dataclass(frozen=True)
class Labels:
    """What tells whose a container is.

    Attributes:
        run_id: the run.
        user_id: id of the user whose run it is.
        folder: the run's folder.
    """

    run_id: str
    user_id: int
    folder: str

    def of(self, node: str) -> dict[str, str]:
        """The labels of one node's container."""
        return {
            LABEL_RUN: self.run_id,
            LABEL_NODE: node,
            LABEL_USER: str(self.user_id),
            LABEL_FOLDER: self.folder,
        }


def container_name(run_id: str, node: str) -> str:
    """What a node's container is called."""
    return f"continuum-{run_id}-{node}"


def settings(
    spec: NodeSpec,
    labels: Labels,
    image: str,
    addresses: Mapping[str, str],
    device: str,
    *,
    shapes: bool = False,
) -> dict[str, Any]:
    """The request that makes a node's container, as ``POST /containers/create`` takes it.

    CPU quotas are not in it: they are put in force later.

    Args:
        spec: what the node shall be.
        labels: whose it is.
        image: image it is made from.
        addresses: IPv4 address of every node of the run, by name.
        device: the disk its files are on, as ``/dev/sda``; empty when it cannot be throttled.
        shapes: whether it shapes its links itself, by traffic control.
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
    """The request that makes a container for nothing but its network namespace."""
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
    """What a container needs to run others within it.

    That is not all a privileged one has: no devices of the host, and no settings of its kernel.
    """
    return {
        "CapAdd": ["ALL"],
        "CapDrop": ["SYS_RESOURCE"],  # not every host's root has it to give
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
    """What ``POST /containers/update`` takes to give a container so many CPUs."""
    period = PERIOD_US
    if cpu_limit * period < MIN_QUOTA_US:
        period = min(MAX_PERIOD_US, int(MIN_QUOTA_US / cpu_limit) + 1)
    return {"cpu_period": period, "cpu_quota": max(MIN_QUOTA_US, round(cpu_limit * period))}
