"""Makes a cluster of nodes, step by step, and takes the time of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from continuum.connection.deployment import Deployment
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from continuum.software.playbooks import Played
from resource_manager.kubernetes import client, cluster_nodes, facts, files, observe, pki, transfer, waiting
from resource_manager.kubernetes.cluster_nodes import Member
from resource_manager.kubernetes.files import Cluster

HERE = Path(__file__).parent
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

    Where there is one already, nothing is changed.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    members = cluster_nodes.members(deployment.nodes, shape_management=shaped)
    release = files.release(needed)
    section = run.config.benchmark
    interval_s = observe.INTERVAL_S if section.flag("observability") else 0
    cluster = Cluster(members, release, section.text("kube_network"), pki.make(run), interval_s)
    names = [member.name for member in members]
    ahead = images_ahead(deployment, plan, run)
    with step(run, "copy files"):
        paths = artifacts.obtain(needed, run.config, run.tell)
        places = place(deployment, run, loads(deployment, cluster, needed, paths), ahead)
    with step(run, "playbook"):
        played = playbooks.play(
            HERE / "playbooks" / "install.yml",
            deployment,
            run,
            nodes=names,
            groups={GROUP: names},
            of_node=places,
            timeout_s=PLAYBOOK_TIMEOUT_S * deployment.timeout_scale,
            linger_s=LINGER_S,
        )
    record_tasks(run, played)
    way = deployment.connections[members[0].name]
    kubeconfig = client.fetch_kubeconfig(way, run)
    with step(run, "ready"), client.connect(way, kubeconfig, deployment.timeout_scale) as api:
        waiting.settle(api)
        waiting.nodes_ready(api, names, READY_TIMEOUT_S * deployment.timeout_scale)
    if interval_s:
        with step(run, "monitoring"):
            observe.install(deployment, run, members, GROUP)
    if not shaped and not all(member.node.management for member in members):
        run.note("Kubernetes' own traffic crosses the emulated links: its nodes have no other way")
    return kubeconfig


def images_ahead(deployment: Deployment, plan: Plan, run: Run) -> dict[str, list[Path]]:
    """Archives of workloads' images that nodes are to have beforehand (``cache_worker``), by their name.

    A node takes them in before it is part of the cluster, and so before the cluster takes its processors.
    """
    from resource_manager.kubernetes import submit

    wanted: dict[str, list[Path]] = {}
    if not run.config.benchmark.flag("cache_worker"):
        return wanted
    with step(run, "images of workloads"):
        for workload in plan.workloads:
            if workload.tier != cluster_nodes.OUTSIDE:
                archive = submit.prepare(workload, run).path
                for node in submit.places(workload, deployment):
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
    known = facts.gather(deployment, [member.name for member in cluster.members])
    wanted = {name: paths[name] for name in ("kubeadm", "kubelet", "kubectl")}
    return {
        member.name: Load(
            files.of_node(member, known[member.name], cluster), wanted, images(member, needed, paths)
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
            own.write_bytes(files.archive(given[node].files))
            way.put(own, CONFIGURATION)
        finally:
            own.unlink()
        transfer.programs(way, given[node].programs)
        there = transfer.place(way, [*given[node].images, *ahead.get(node, ())])
        places[node] = {"kube_files": str(CONFIGURATION), "kube_images": there}

    transfer.everywhere(put, list(given))
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
    return transfer.together(chosen) if chosen else []
