"""Makes a cluster of nodes in steps, whose durations are recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import Artifact
from continuum.software.playbooks import PlaybookResult
from resource_manager.kubernetes import (
    api_client,
    cluster_nodes,
    monitoring,
    node_facts,
    node_files,
    node_transfer,
    pki,
    readiness,
    runtime_class,
    runtimes,
)
from resource_manager.kubernetes.cluster_nodes import Member
from resource_manager.kubernetes.node_facts import NodeFacts
from resource_manager.kubernetes.node_files import Cluster
from resource_manager.kubernetes.workload_image import build_image

PLAYBOOK = Path(__file__).parent / "playbooks" / "install.yml"
GROUP = "kubernetes"
CONFIGURATION = PurePosixPath("/var/lib/continuum/kubernetes.tar")
"""Path on nodes of the archive with the node's own files."""

READY_TIMEOUT_S = 300.0
PLAYBOOK_TIMEOUT_S = 1200.0
"""Longer than the time-outs within it, whose messages say more."""

LINGER_S = 5.0
"""How long other nodes continue after one has failed: they would wait for its control plane."""

STEPS = "install_steps"
"""Table of a run: the duration of each step of an installation."""

CONTROL_PLANE_ONLY = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Load:
    """What is copied onto a node before it is set up.

    Attributes:
        files: content and mode of its own files, by path.
        programs: files of this machine, by their names on the node.
        images: archives of images on this machine.
        archives: other archives on this machine, by their paths on the node.
        packages: Debian packages besides those of every node.
    """

    files: Mapping[str, tuple[bytes, int]]
    programs: Mapping[str, Path]
    images: Sequence[Path]
    archives: Mapping[str, Path] = field(default_factory=dict)
    packages: Sequence[str] = ()


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
    runtime = runtimes.chosen(run.config)
    cluster = Cluster(members, release, network, pki.make(run), interval_s, runtime)
    kubeconfig = set_up(
        cluster,
        deployment,
        plan,
        run,
        lambda: loads(deployment, cluster, needed, artifacts.resolve(needed, run.config, run.tell)),
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
        runtime_class.create(api, cluster.runtime)
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
    """Record the duration of a step for the result."""
    begin = time.monotonic()
    yield
    seconds = time.monotonic() - begin
    run.record(STEPS, step=name, seconds=seconds)
    run.tell(f"  kubernetes: {name}: {seconds:.1f} s")
    log.info("%s: %.1f s", name, seconds)


def record_tasks(run: Run, played: PlaybookResult) -> None:
    """Record the duration of each task on its slowest node."""
    for task, by_node in played.task_s.items():
        node = max(by_node, key=lambda name: by_node[name])
        run.record(STEPS, step=task, seconds=by_node[node], node=node)


def loads(
    deployment: Deployment, cluster: Cluster, needed: Sequence[Artifact], paths: Mapping[str, Path]
) -> dict[str, Load]:
    """What is copied onto every node of a cluster, by its name."""
    facts = node_facts.gather_facts(deployment, [member.name for member in cluster.members])
    _check_virtualisation(cluster, facts)
    programs = {name: paths[name] for name in ("kubeadm", "kubelet", "kubectl")}
    for name in cluster.runtime.programs:
        programs[node_files.RUNSC_SHIM if name == runtimes.SHIM else name] = paths[name]
    wanted = cluster.runtime.archives
    archives = {node_files.KATA_ARCHIVE: paths[runtimes.KATA]} if wanted else {}
    return {
        member.name: Load(
            node_files.of_node(member, facts[member.name], cluster),
            programs,
            images(member, needed, paths),
            archives,
            cluster.runtime.packages,
        )
        for member in cluster.members
    }


def _check_virtualisation(cluster: Cluster, facts: Mapping[str, NodeFacts]) -> None:
    """Refuse a runtime whose pods are virtual machines where a node has no hardware virtualisation."""
    runtime = cluster.runtime
    without = [name for name, one in facts.items() if not one.has_kvm]
    if runtime.is_virtual_machine and without:
        raise DeployError(
            f"runtime {runtime.name} needs hardware virtualisation, and {', '.join(without)} has no /dev/kvm;"
            " use nodes with nested virtualisation, or runtime = runsc"
        )


def place(
    deployment: Deployment, run: Run, given: Mapping[str, Load], ahead: Mapping[str, Sequence[Path]]
) -> Mapping[str, Mapping[str, object]]:
    """Copy files, programs and images onto every node; returns the playbook's variables of each.

    Args:
        deployment: the nodes.
        run: the run.
        given: what is copied onto each, by its name.
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
        node_transfer.put(way, given[node].archives)
        there = node_transfer.place(way, [*given[node].images, *ahead.get(node, ())])
        places[node] = {
            "kube_files": str(CONFIGURATION),
            "kube_images": there,
            "kube_packages": given[node].packages,
        }

    node_transfer.everywhere(put, list(given))
    return places


def images(member: Member, needed: Sequence[Artifact], paths: Mapping[str, Path]) -> list[Path]:
    """Archives of the images that a node needs; only the control plane gets those of its parts."""
    chosen = [
        paths[one.name]
        for one in needed
        if one.kind == "image"
        and one.name in paths
        and (member.is_control_plane or one.name not in CONTROL_PLANE_ONLY)
    ]
    return node_transfer.together(chosen) if chosen else []
