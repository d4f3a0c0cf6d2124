"""The files that make a node run CloudCore or EdgeCore. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resource_manager.kubernetes.api import (
    SERVICES,
    TIER_LABEL,
    Cluster,
    Member,
    NodeFacts,
    node_files,
)

TEMPLATES = Path(__file__).parent / "templates"
AGENT = "edgecore"
EDGE_ROLE = "node-role.kubernetes.io/edge"
_PROGRAM, _SECRET, _TEXT = 0o755, 0o600, 0o644


@dataclass(frozen=True)
class Ports:
    """CloudCore's ports; KubeEdge's defaults.

    Attributes:
        hub: messages of EdgeCore.
        https: issue of certificates.
        stream: requests of the API to edge nodes.
        tunnel: tunnels that EdgeCore opens.
        first_tunnelled: first of the ports that stand for kubelets of edge nodes.
        last_tunnelled: last of these ports.
    """

    hub: int = 10000
    https: int = 10002
    stream: int = 10003
    tunnel: int = 10004
    first_tunnelled: int = 10350
    last_tunnelled: int = 10400


@dataclass(frozen=True)
class Edge:
    """What KubeEdge adds to a cluster.

    Attributes:
        version: of KubeEdge.
        certificate: of CloudCore's authority, as DER.
        key: private key of that authority, as DER.
        token: the token that edge nodes join with.
    """

    version: str
    certificate: bytes
    key: bytes
    token: str


SETTINGS = (
    "cloudCore.tolerations[0].operator=Exists",
    r"cloudCore.nodeSelector.node-role\.kubernetes\.io/control-plane=",
    "cloudCore.securityContext.privileged=false",
    "cloudCore.resources.limits.cpu=1",
    "cloudCore.resources.requests.cpu=50m",
    "cloudCore.resources.requests.memory=64Mi",
    "cloudCore.service.enable=false",
    "iptablesManager.enable=false",
    "mosquitto.enable=false",
)
"""Helm values of CloudCore: on the control plane's node, without services that are not used here."""


def of_cloud(member: Member, facts: NodeFacts, cluster: Cluster, edge: Edge) -> dict[str, tuple[bytes, int]]:
    """Additional files of the control plane."""
    values = {
        **_values(member, facts, cluster),
        "kubeedge": edge.version,
        "settings": SETTINGS,
        "api": str(SERVICES[1]),
        "edges": [one for one in cluster.members if one.agent == AGENT],
    }
    return {
        "/etc/continuum/cloudcore.sh": (_render("cloudcore.sh", values), _PROGRAM),
        "/etc/continuum/not-on-edge.json": (json.dumps(_not_on_edge()).encode(), _TEXT),
        "/etc/continuum/kubeedge-authority.json": (json.dumps(_authority(edge)).encode(), _SECRET),
    }


def of_edge(member: Member, facts: NodeFacts, cluster: Cluster, edge: Edge) -> dict[str, tuple[bytes, int]]:
    """Additional files of an edge node."""
    given = node_files.kubelet_arguments(member, facts)
    reserved = given.get("system-reserved", "")
    values = {
        **_values(member, facts, cluster),
        "labels": {TIER_LABEL: member.node.tier},
        "reserved": dict(one.split("=") for one in reserved.split(",") if one),
        "dns": str(SERVICES[10]),
    }
    return {
        "/etc/kubeedge/bootstrap-edgecore.conf": (edge.token.encode(), _SECRET),
        "/etc/kubeedge/config/edgecore.yaml": (_render("edgecore.yml", values), _TEXT),
        "/etc/continuum/edgecore.sh": (_render("edgecore.sh", values), _PROGRAM),
        "/etc/continuum/join.sh": (_render("join.sh", values), _PROGRAM),
    }


def _values(member: Member, facts: NodeFacts, cluster: Cluster) -> dict[str, Any]:
    return {**node_files.values_of(member, facts, cluster), "cloudcore": Ports()}


def _render(name: str, values: Mapping[str, Any]) -> bytes:
    return node_files.render(name, values, TEMPLATES).encode()


def _not_on_edge() -> dict[str, Any]:
    """A patch that keeps a DaemonSet off edge nodes."""
    term = {"matchExpressions": [{"key": EDGE_ROLE, "operator": "DoesNotExist"}]}
    chosen = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"spec": {"template": {"spec": {"affinity": {"nodeAffinity": chosen}}}}}


def _authority(edge: Edge) -> dict[str, Any]:
    """KubeEdge's namespace, and the Secret in it from which CloudCore reads its authority."""
    data = {"cadata": edge.certificate, "cakeydata": edge.key}
    items: Sequence[dict[str, Any]] = (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeedge"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "casecret", "namespace": "kubeedge"},
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        },
    )
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}
