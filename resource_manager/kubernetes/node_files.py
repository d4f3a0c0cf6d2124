"""The files that make a node part of a cluster. Pure."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.software.artifacts import Artifact
from resource_manager.kubernetes import cluster_nodes
from resource_manager.kubernetes.cluster_nodes import Member
from resource_manager.kubernetes.node_facts import NodeFacts
from resource_manager.kubernetes.pki import Trust
from resource_manager.kubernetes.runtimes import DEVMAPPER, RUNC_RUNTIME, RUNSC, Runtime

TEMPLATES = Path(__file__).parent / "templates"
JOIN_TIMEOUT_S = 240
"""Longest wait for the control plane and, by kubeadm, for each part of it, at time-out scale 1."""

JOIN_POLL_S = 0.2
"""Interval at which a node polls the control plane; each poll costs a TLS handshake."""

JOIN_ANSWER_S = 5
"""Longest time for one answer to such a poll."""

ETCD_ANSWER_S = 2
"""Time-out of the API server's health checks of etcd; its default."""

HEARTBEAT_MS, ELECTION_MS = 100, 1000
"""Heartbeat interval and election time-out of etcd; its defaults."""

LONGEST_ELECTION_MS = 50_000
"""The longest election time-out that etcd accepts."""

PROBE_ANSWER_S = 15
"""Time-out of a liveness probe of the control plane; kubeadm's default."""

PROBE_FAILURES = 8
"""Failed liveness probes in a row before a restart; kubeadm's default."""

NODE_GRACE_S = 50
"""Time without a heartbeat after which a node's pods are evicted; Kubernetes' default."""

IGNORED = (
    "NumCPU",
    "Mem",
    "SystemVerification",
    "Swap",
    "FileExisting-crictl",
    "FileExisting-socat",
    "Hostname",
)
"""Preflight checks of kubeadm that are skipped: ``check`` covers what a node needs, and an emulated node sees
the processors and memory of its host."""

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Parts of a control plane, as kubeadm names them."""

PATCHES = "/etc/continuum/patches"
"""Folder of the patches that kubeadm applies to its manifests of slow control planes."""

_PROGRAM, _TEXT, _SECRET = 0o755, 0o644, 0o600
_COMMON = {
    "/etc/containerd/config.toml": ("containerd.toml", _TEXT),
    "/etc/continuum/network.sh": ("network.sh", _PROGRAM),
    "/etc/continuum/prepare.sh": ("prepare.sh", _PROGRAM),
    "/etc/continuum/images.sh": ("images.sh", _PROGRAM),
    "/etc/continuum/keep.sh": ("keep.sh", _PROGRAM),
}
_KUBELET = {
    "/etc/continuum/kubeadm.yml": ("kubeadm.yml", _SECRET),
    "/etc/continuum/join.sh": ("join.sh", _PROGRAM),
    "/etc/continuum/kubelet.sh": ("kubelet.sh", _PROGRAM),
}
_OBSERVING = {"/etc/continuum/observe.sh": ("observe.sh", _PROGRAM)}
_KEEPING = {"/etc/continuum/prometheus.yml": ("prometheus.yml", _TEXT)}
_BRIDGE = {"/etc/cni/net.d/10-continuum.conflist": ("cni.conflist", _TEXT)}
_RUNSC = {
    "/etc/containerd/runsc.toml": ("runsc.toml", _TEXT),
    "/usr/local/bin/containerd-shim-runsc-v1": ("runsc-shim.sh", _PROGRAM),
}
_DEVMAPPER = {"/etc/continuum/devmapper.sh": ("devmapper.sh", _PROGRAM)}

RUNSC_SHIM = "gvisor-containerd-shim"
"""Name of gVisor's shim among programs; under its usual name containerd finds ``runsc-shim.sh``."""

KATA_ARCHIVE = "/var/lib/continuum/kata-static.tar"
POOL = "continuum"
"""Name of the pool of devmapper."""

_UID_MAP = "         0          0      65536\n"
"""The uid_map of a process in a user namespace."""


@dataclass(frozen=True)
class Release:
    """The versions of a cluster's parts.

    Attributes:
        kubernetes: as in ``v1.33.8``.
        etcd: tag of its image.
        coredns: tag of its image.
        pause: full reference of its image.
        flannel: full reference of its image; empty where it is not used.
        flannel_plugin: full reference of its image, likewise.
    """

    kubernetes: str
    etcd: str
    coredns: str
    pause: str
    flannel: str = ""
    flannel_plugin: str = ""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is being made.

    Attributes:
        members: its nodes, the control plane first.
        release: versions of its parts.
        network: ``bridge`` or ``flannel``.
        trust: authority and token.
        observes_every_s: interval of monitoring; 0 without it.
        runtime: what containers of workloads are run with.
    """

    members: tuple[Member, ...]
    release: Release
    network: str
    trust: Trust
    observes_every_s: int = 0
    runtime: Runtime = RUNC_RUNTIME

    @property
    def timeout_scale(self) -> float:
        """Factor on time-outs that concern its nodes, see ``continuum.model.node.Node``."""
        return max(member.node.timeout_scale for member in self.members)


def of_node(member: Member, facts: NodeFacts, cluster: Cluster) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file of a node, by path, except those of agents other than kubelet."""
    wanted = _COMMON | _of_runtime(cluster.runtime)
    if facts.has_systemd:
        wanted[f"/etc/systemd/system/{member.agent}.service"] = ("agent.service", _TEXT)
    if member.agent == "kubelet":
        wanted |= _KUBELET
    if cluster.observes_every_s:
        wanted |= _OBSERVING | (_KEEPING if member.is_control_plane else {})
    if cluster.network == "bridge":
        wanted |= _BRIDGE
    values = values_of(member, facts, cluster)
    made = {path: (render(name, values).encode(), mode) for path, (name, mode) in wanted.items()}
    if cluster.runtime.name == RUNSC:
        made["/etc/continuum/uid_map"] = (_UID_MAP.encode(), _TEXT)
    if member.is_control_plane and cluster.network == "flannel":
        made["/etc/continuum/flannel.yml"] = (render("flannel.yml", values).encode(), _TEXT)
    if member.is_control_plane and values["is_slow"]:
        for part in PARTS:
            text = render("slow_probes.yml", {**values, "part": part})
            made[f"{PATCHES}/{part}+strategic.yaml"] = (text.encode(), _TEXT)
    if member.is_control_plane:
        made["/etc/kubernetes/pki/ca.crt"] = (cluster.trust.certificate.read_bytes(), _TEXT)
        made["/etc/kubernetes/pki/ca.key"] = (cluster.trust.key.read_bytes(), _SECRET)
    return made


def _of_runtime(runtime: Runtime) -> dict[str, tuple[str, int]]:
    """Template and mode of every file of a container runtime, by path."""
    wanted = _RUNSC if runtime.name == RUNSC else {}
    return wanted | (_DEVMAPPER if runtime.snapshotter == DEVMAPPER else {})


def values_of(member: Member, facts: NodeFacts, cluster: Cluster) -> dict[str, Any]:
    """The variables of the templates."""
    control_plane = cluster.members[0]
    return {
        "member": member,
        "facts": facts,
        "trust": cluster.trust,
        "network": cluster.network,
        "version": cluster.release.kubernetes,
        "etcd_tag": cluster.release.etcd,
        "coredns_tag": cluster.release.coredns,
        "pause": cluster.release.pause,
        "flannel": cluster.release.flannel,
        "flannel_plugin": cluster.release.flannel_plugin,
        "addresses": [one.node.address for one in cluster.members],
        "apiserver": control_plane.internal,
        "control_plane": control_plane.name,
        "others": [other for other in cluster.members if other != member],
        "pods": cluster_nodes.PODS,
        "services": cluster_nodes.SERVICES,
        "mtu": cluster_nodes.OVERLAY_MTU_BYTES,
        "ignored": IGNORED,
        "patches": PATCHES,
        "probe_answer_s": round(PROBE_ANSWER_S * cluster.timeout_scale),
        "probe_failures": round(PROBE_FAILURES * cluster.timeout_scale),
        "is_slow": cluster.timeout_scale > 1,
        "join_timeout_s": round(JOIN_TIMEOUT_S * cluster.timeout_scale),
        "poll_s": JOIN_POLL_S * cluster.timeout_scale,
        "answer_s": JOIN_ANSWER_S * cluster.timeout_scale,
        "etcd_answer_s": round(ETCD_ANSWER_S * cluster.timeout_scale),
        "heartbeat_ms": round(HEARTBEAT_MS * cluster.timeout_scale),
        "election_ms": min(LONGEST_ELECTION_MS, round(ELECTION_MS * cluster.timeout_scale)),
        "node_grace_s": round(NODE_GRACE_S * cluster.timeout_scale),
        "kubelet_arguments": kubelet_arguments(member, facts, cluster.observes_every_s),
        "members": cluster.members,
        "interval_s": cluster.observes_every_s,
        "runtime": cluster.runtime,
        "shim": f"/usr/local/bin/{RUNSC_SHIM}",
        "kata": KATA_ARCHIVE,
        "pool": POOL,
    }


def kubelet_arguments(member: Member, facts: NodeFacts, observes_every_s: int = 0) -> dict[str, str]:
    """Arguments of one node's kubelet.

    CPU and memory that the node sees beyond its share of the host are reserved, so that pods cannot use them.
    """
    spec = member.node.spec
    cpu_milli = max(0, facts.cpus * 1000 - round(spec.cores * 1000))
    memory_kb = max(0, facts.memory_kb - spec.memory_mb * 1024)
    given = {"node-ip": member.internal, "node-labels": f"{cluster_nodes.TIER_LABEL}={member.node.tier}"}
    if cpu_milli or memory_kb:
        given["system-reserved"] = f"cpu={cpu_milli}m,memory={memory_kb}Ki"
    if observes_every_s:
        given["housekeeping-interval"] = f"{observes_every_s}s"
    return given


def archive(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """An archive of files by absolute path; the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            file.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def release(artifacts: Sequence[Artifact]) -> Release:
    """The versions of a cluster's parts, from the artifacts it is made of."""
    by_name = {one.name: one for one in artifacts}
    images = {name: one.image for name, one in by_name.items()}
    return Release(
        kubernetes=by_name["kubeadm"].version,
        etcd=by_name["etcd"].version,
        coredns=by_name["coredns"].version,
        pause=images["pause"],
        flannel=images.get("flannel", ""),
        flannel_plugin=images.get("flannel-cni-plugin", ""),
    )


def render(name: str, values: Mapping[str, Any], folder: Path = TEMPLATES) -> str:
    """A template, filled in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    return environment.get_template(f"{name}.j2").render(values)
