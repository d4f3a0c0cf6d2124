"""The files that make a node part of a cluster, from what is known of it: pure."""

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

TEMPLATES = Path(__file__).parent / "templates"
JOIN_TIMEOUT_S = 240
"""Longest wait for the control plane, where nodes are as quick as usual; kubeadm's own for its parts, too."""

JOIN_POLL_S = 0.2
"""How often a node asks whether the control plane is up; each time costs both of them a greeting."""

JOIN_ANSWER_S = 5
"""How long an answer to that may take."""

ETCD_ANSWER_S = 2
"""How long etcd may take to answer the API server, which counts as unwell otherwise; its own default."""

HEARTBEAT_MS, ELECTION_MS = 100, 1000
"""How often etcd's leader shows that it lives, and how long it may not; its own defaults. The longest time
that a request to it may take follows from the second."""

LONGEST_ELECTION_MS = 50_000
"""The most that etcd takes."""

PROBE_ANSWER_S = 15
"""How long a part of the control plane may take to say that it lives; kubeadm's own default."""

PROBE_FAILURES = 8
"""How many times in a row it may not, before it is started anew; the same."""

NODE_GRACE_S = 50
"""How long a node may be silent before its pods are taken from it; Kubernetes' own default."""

IGNORED = (
    "NumCPU",
    "Mem",
    "SystemVerification",
    "Swap",
    "FileExisting-crictl",
    "FileExisting-socat",
    "Hostname",
)
"""What kubeadm checks before it begins and need not here: ``check`` has said what a node needs, and an
emulated node sees the processors and memory of its host."""

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Of a control plane, as kubeadm names them."""

PATCHES = "/etc/continuum/patches"
"""What kubeadm changes in its manifests of slow control planes."""

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


@dataclass(frozen=True)
class Release:
    """The versions of a cluster's parts.

    Attributes:
        kubernetes: as in ``v1.33.8``.
        etcd: tag of its image.
        coredns: tag of its image.
        pause: full reference of its image.
        flannel: the same of flannel's; empty where it is not used.
        flannel_plugin: the same of its plugin's.
    """

    kubernetes: str
    etcd: str
    coredns: str
    pause: str
    flannel: str = ""
    flannel_plugin: str = ""


@dataclass(frozen=True)
class Cluster:
    """A cluster to be.

    Attributes:
        members: its nodes, the control plane first.
        release: versions of its parts.
        network: ``bridge`` or ``flannel``.
        trust: authority and token.
        observes_every_s: interval at which nodes are observed; 0 where they are not.
    """

    members: tuple[Member, ...]
    release: Release
    network: str
    trust: Trust
    observes_every_s: int = 0

    @property
    def timeout_scale(self) -> float:
        """How many times as long as usual may be waited for its nodes, see ``continuum.model.node.Node``."""
        return max(member.node.timeout_scale for member in self.members)


def of_node(member: Member, facts: NodeFacts, cluster: Cluster) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file of a node, by path; without those of another agent than kubelet."""
    wanted = dict(_COMMON)
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
    if member.is_control_plane and cluster.network == "flannel":
        made["/etc/continuum/flannel.yml"] = (render("flannel.yml", values).encode(), _TEXT)
    if member.is_control_plane and values["is_slow"]:
        for part in PARTS:
            text = render("patient.yml", {**values, "part": part})
            made[f"{PATCHES}/{part}+strategic.yaml"] = (text.encode(), _TEXT)
    if member.is_control_plane:
        made["/etc/kubernetes/pki/ca.crt"] = (cluster.trust.certificate.read_bytes(), _TEXT)
        made["/etc/kubernetes/pki/ca.key"] = (cluster.trust.key.read_bytes(), _SECRET)
    return made


def values_of(member: Member, facts: NodeFacts, cluster: Cluster) -> dict[str, Any]:
    """What templates are told."""
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
    }


def kubelet_arguments(member: Member, facts: NodeFacts, observes_every_s: int = 0) -> dict[str, str]:
    """What is particular to one node's kubelet.

    What the node sees of its host beyond its own share is reserved, so that it offers no more than it has.
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
