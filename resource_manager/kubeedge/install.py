"""Makes a Kubernetes cluster of the cloud, with CloudCore on it, and lets edge nodes join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from continuum.connection.deployment import Deployment
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from resource_manager.kubeedge import files, token
from resource_manager.kubeedge.files import Edge
from resource_manager.kubernetes import client, cluster_nodes, facts, install, pki, transfer, waiting
from resource_manager.kubernetes import files as kubernetes_files
from resource_manager.kubernetes.cluster_nodes import Member
from resource_manager.kubernetes.files import Cluster
from resource_manager.kubernetes.install import Load

PLAYBOOK = Path(__file__).parent / "playbooks" / "install.yml"
EDGE_TIER = "edge"
CLOUDCORE_GROUP = "cloudcore"
NETWORK = "bridge"
_EDGE_IMAGES = ("pause",)


def run_all(
    deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact], *, shaped: bool
) -> Path:
    """Make the cluster and wait until its nodes are Ready; returns the path of its kubeconfig.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    members = members_of(deployment, shaped=shaped)
    cluster = Cluster(members, kubernetes_files.release(needed), NETWORK, pki.make(run))
    names = [member.name for member in members]
    ahead = install.images_ahead(deployment, plan, run)
    with install.step(run, "copy files"):
        places = install.place(deployment, run, _loads(deployment, run, cluster, needed), ahead)
    with install.step(run, "playbook"):
        played = playbooks.play(
            PLAYBOOK,
            deployment,
            run,
            nodes=names,
            groups={install.GROUP: names, CLOUDCORE_GROUP: names[:1]},
            of_node=places,
            timeout_s=install.PLAYBOOK_TIMEOUT_S * deployment.timeout_scale,
            linger_s=install.LINGER_S,
        )
    install.record_tasks(run, played)
    way = deployment.connections[names[0]]
    kubeconfig = client.fetch_kubeconfig(way, run)
    with install.step(run, "ready"), client.connect(way, kubeconfig, deployment.timeout_scale) as api:
        waiting.settle(api)
        waiting.nodes_ready(api, names, install.READY_TIMEOUT_S * deployment.timeout_scale)
    return kubeconfig


def members_of(deployment: Deployment, *, shaped: bool) -> tuple[Member, ...]:
    """The nodes of the cluster; EdgeCore runs the pods of edge nodes."""
    return tuple(
        replace(member, agent=files.AGENT) if member.node.tier == EDGE_TIER else member
        for member in cluster_nodes.members(deployment.nodes, shape_management=shaped)
    )


def _loads(
    deployment: Deployment, run: Run, cluster: Cluster, needed: Sequence[Artifact]
) -> Mapping[str, Load]:
    """What every node is given: that of a cluster, and what KubeEdge adds."""
    paths = artifacts.obtain(needed, run.config, run.tell)
    known = facts.gather(deployment, [member.name for member in cluster.members])
    certificate, key = token.der(pki.make(run, "kubeedge"))
    version = next(one.version for one in needed if one.name == files.AGENT)
    edge = Edge(version, certificate, key, token.make(certificate, key))
    given = install.loads(deployment, cluster, [one for one in needed if one.name != "cloudcore"], paths)
    for member in cluster.members:
        load = given[member.name]
        if member.agent == files.AGENT:
            own = files.of_edge(member, known[member.name], cluster, edge)
            programs = {files.AGENT: paths[files.AGENT]}
            images = transfer.together([paths[name] for name in _EDGE_IMAGES])
        elif member.is_control_plane:
            own = files.of_cloud(member, known[member.name], cluster, edge)
            programs = {**load.programs, "keadm": paths["keadm"]}
            images = [*load.images, paths["cloudcore"]]
        else:
            continue
        given[member.name] = Load({**load.files, **own}, programs, images)
    return given
