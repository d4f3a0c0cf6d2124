"""Makes a Kubernetes cluster of the cloud, with CloudCore on it, and lets edge nodes join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from continuum.connection.deployment import Deployment
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.software import artifacts
from continuum.software.artifacts import Artifact
from resource_manager.kubeedge import edge_files, join_token
from resource_manager.kubeedge.edge_files import Edge
from resource_manager.kubernetes import api

PLAYBOOK = Path(__file__).parent / "playbooks" / "install.yml"
EDGE_TIER = "edge"
CLOUDCORE_GROUP = "cloudcore"
NETWORK = "bridge"
_EDGE_IMAGES = ("pause",)


def install(
    deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact], *, shaped: bool
) -> Path:
    """Make the cluster and wait until its nodes are Ready; returns the path of its kubeconfig.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    members = members_of(deployment, shaped=shaped)
    cluster = api.Cluster(members, api.node_files.release(needed), NETWORK, api.pki.make(run))
    return api.install.set_up(
        cluster,
        deployment,
        plan,
        run,
        lambda: _loads(deployment, run, cluster, needed),
        PLAYBOOK,
        {CLOUDCORE_GROUP: [members[0].name]},
    )


def members_of(deployment: Deployment, *, shaped: bool) -> tuple[api.Member, ...]:
    """The nodes of the cluster; EdgeCore is the agent of edge nodes."""
    return tuple(
        replace(member, agent=edge_files.AGENT) if member.node.tier == EDGE_TIER else member
        for member in api.members(deployment.nodes, shape_management=shaped)
    )


def _loads(
    deployment: Deployment, run: Run, cluster: api.Cluster, needed: Sequence[Artifact]
) -> Mapping[str, api.Load]:
    """What is copied onto every node: the files of a cluster, and those that KubeEdge adds."""
    paths = artifacts.resolve(needed, run.config, run.tell)
    facts = api.gather_facts(deployment, [member.name for member in cluster.members])
    certificate, key = join_token.der(api.pki.make(run, "kubeedge"))
    version = next(one.version for one in needed if one.name == edge_files.AGENT)
    edge = Edge(version, certificate, key, join_token.make(certificate, key))
    of_cluster = [one for one in needed if one.name != "cloudcore"]
    loads = api.install.loads(deployment, cluster, of_cluster, paths)
    for member in cluster.members:
        load = loads[member.name]
        if member.agent == edge_files.AGENT:
            own = edge_files.of_edge(member, facts[member.name], cluster, edge)
            programs = {edge_files.AGENT: paths[edge_files.AGENT]}
            images = api.node_transfer.together([paths[name] for name in _EDGE_IMAGES])
        elif member.is_control_plane:
            own = edge_files.of_cloud(member, facts[member.name], cluster, edge)
            programs = {**load.programs, "keadm": paths["keadm"]}
            images = [*load.images, paths["cloudcore"]]
        else:
            continue
        loads[member.name] = api.Load({**load.files, **own}, programs, images)
    return loads
