"""Makes a cluster of nodes, step by step, and takes the time of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from continuum.connection.deployment import Deployment
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from continuum.software.playbooks import Played
from resource_manager.kubernetes import (
    api_client,
    cluster_nodes,
    monitoring,
    node_facts,
    node_files,
    node_transfer,
    pki,
    readiness,
)
from resource_manager.kubernetes.cluster_nodes import Member
from resource_manager.kubernetes.node_files import Cluster
from resource_manager.kubernetes.workload_image import build_image

PLAYBOOK = Path(__file__).parent / "playbooks" / "install.yml"
GROUP = "kubernetes"
CONFIGURATION = PurePosixPath("/var/lib/continuum/kubernetes.tar")
"""Where the archive of a node's own files is put on it."""

READY_TIMEOUT_S = 300.0
PLAYBOOK_TIMEOUT_S = 1200.0
"""What it waits for has deadlines of its own, which say more."""

LINGER_S = 5.0
"""How long other nodes may go on where one has failed: they would wait for a control plane in vain."""

STEPS = "install_steps"
"""Table of a run: how long each step of an installation took."""

CONTROL_PLANE_ONLY = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Load:
    """What is put onto a node before it is set up.

    Attributes:
        files: content and mode of its own files, by path.
        programs: files of this machine, by the name they are to have.
        images: archives of images on this machine.
    """

    files: Mapping[str, tuple[bytes, int]]
    programs: Mapping[str, Path]
    images: Sequence[Path]


def install(
    deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact], *, shaped: bool
) -> Path:
    """Make a cluster of the deployment's nodes; returns the path of its kubeconfig.

    A cluster that exists already is left as it is.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    members = cluster_nodes.members(deployment.nodes, shape_management=shaped)
    section = run.config.benchmark
    interval_s = monitoring.INTERVAL_S if section.flag("observability") else 0
    release, network = node_files.release(needed), section.text("kube_network")
    cluster = Cluster(members, release, network, pki.make(run), interval_s)
    kubeconfig = set_up(
        cluster,
        deployment,
        plan,
        run,
        lambda: loads(deployment, cluster, needed, artifacts.obtain(needed, run.config, run.tell)),
        PLAYBOOK,
    )
    if interval_s:
        with step(run, "monitoring"):
            monitoring.install(deployment, run, members, GROUP)
    if not shaped and not all(member.node.management for member in members):
        run.note("Kubernetes' own traffic crosses the emulated links: its nodes have no other way")
    return kubeconfig


def set_up(
    cluster: Cluster,
    deployment: Deployment,
    plan: Plan,
    run: Run,
    loads_of_nodes: Callable[[], Mapping[str, Load]],
    playbook: Path,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Copy what nodes need, run a playbook on them, wait until all are Ready; returns the kubeconfig's path.

    Args:
        cluster: the cluster.
        deployment: all nodes.
        plan: the run's plan.
        run: the run.
        loads_of_nodes: makes what is copied onto each node, by the node's name.
        playbook: what is run on the nodes.
        groups: groups of nodes in its inventory besides that of all nodes of the cluster.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    names = [member.name for member in cluster.members]
    ahead = images_ahead(deployment, plan, run)
    with step(run, "copy files"):
        places = place(deployment, run, loads_of_nodes(), ahead)
    with step(run, "playbook"):
        played = playbooks.play(
            playbook,
            deployment,
            run,
            nodes=names,
            groups={GROUP: names, **(groups or {})},
            of_node=places,
            timeout_s=PLAYBOOK_TIMEOUT_S * deployment.timeout_scale,
            linger_s=LINGER_S,
        )
    record_tasks(run, played)
    kubeconfig = api_client.fetch_kubeconfig(deployment.connections[names[0]], run)
    with step(run, "ready"), api_client.connect(deployment, run) as api:
        readiness.settle(api)
        readiness.nodes_ready(api, names, READY_TIMEOUT_S * deployment.timeout_scale)
    return kubeconfig


def images_ahead(deployment: Deployment, plan: Plan, run: Run) -> dict[str, list[Path]]:
    """Archives of workloads' images that each node gets beforehand (``cache_worker``), by the node's name.

    A node imports them before it joins the cluster, while its processors are idle.
    """
    wanted: dict[str, list[Path]] = {}
    if not run.config.benchmark.flag("cache_worker"):
        return wanted
    with step(run, "images of workloads"):
        for workload in plan.workloads:
            if workload.tier != cluster_nodes.OUTSIDE:
                archive = build_image(workload, run).path
                for node in cluster_nodes.workers_for(workload, deployment):
                    wanted.setdefault(node.name, []).append(archive)
    return wanted


@contextmanager
def step(run: Run, name: str) -> Iterator[None]:
    """Take the time of a step, for the result."""
    begin = time.monotonic()
    yield
    seconds = time.monotonic() - begin
    run.record(STEPS, step=name, seconds=seconds)
    run.tell(f"  kubernetes: {name}: {seconds:.1f} s")
    log.info("%s: %.1f s", name, seconds)


def record_tasks(run: Run, played: Played) -> None:
    """Keep how long the slowest node took for each task."""
    for task, by_node in played.task_s.items():
        node = max(by_node, key=lambda name: by_node[name])
        run.record(STEPS, step=task, seconds=by_node[node], node=node)


def loads(
    deployment: Deployment, cluster: Cluster, needed: Sequence[Artifact], paths: Mapping[str, Path]
) -> dict[str, Load]:
    """What every node of a cluster is given, by its name."""
    known = node_facts.gather_facts(deployment, [member.name for member in cluster.members])
    wanted = {name: paths[name] for name in ("kubeadm", "kubelet", "kubectl")}
    return {
        member.name: Load(
            node_files.of_node(member, known[member.name], cluster), wanted, images(member, needed, paths)
        )
        for member in cluster.members
    }


def place(
    deployment: Deployment, run: Run, given: Mapping[str, Load], ahead: Mapping[str, Sequence[Path]]
) -> Mapping[str, Mapping[str, object]]:
    """Put files, programs and images onto every node; what the playbook is told of each.

    Args:
        deployment: the nodes.
        run: the run.
        given: what each is given, by its name.
        ahead: archives of further images, by the node's name.
    """
    folder = pki.folder(run)
    places: dict[str, Mapping[str, object]] = {}

    def put(node: str) -> None:
        way, own = deployment.connections[node], folder / f"{node}.tar"
        own.touch(mode=0o600)
        try:
            own.write_bytes(node_files.archive(given[node].files))
            way.put(own, CONFIGURATION)
        finally:
            own.unlink()
        node_transfer.programs(way, given[node].programs)
        there = node_transfer.place(way, [*given[node].images, *ahead.get(node, ())])
        places[node] = {"kube_files": str(CONFIGURATION), "kube_images": there}

    node_transfer.everywhere(put, list(given))
    return places


def images(member: Member, needed: Sequence[Artifact], paths: Mapping[str, Path]) -> list[Path]:
    """Archives of the images a node needs; those of the control plane are its own alone."""
    chosen = [
        paths[one.name]
        for one in needed
        if one.kind == "image"
        and one.name in paths
        and (member.is_control_plane or one.name not in CONTROL_PLANE_ONLY)
    ]
    return node_transfer.together(chosen) if chosen else []
