"""Makes a cluster of nodes, step by step, and takes the time of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from continuum import artifacts, playbooks
from continuum.artifacts import Artifact
from continuum.module import Deployment
from continuum.rundir import Run
from resource_manager.kubernetes import client, facts, files, pki, plan, transfer, waiting
from resource_manager.kubernetes.files import Cluster
from resource_manager.kubernetes.plan import Member

HERE = Path(__file__).parent
GROUP = "kubernetes"
READY_TIMEOUT_S = 180.0
STEPS = "install_steps"
"""Table of a run: how long each step of an installation took."""

CONTROL_PLANE_ONLY = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns")
log = logging.getLogger(__name__)


def install(deployment: Deployment, run: Run, needed: Sequence[Artifact], *, shaped: bool) -> Path:
    """Make a cluster of the deployment's nodes; returns the path of its kubeconfig.

    Where there is one already, nothing is changed.

    Raises:
        DeployError: a step failed on a node; the message names it.
    """
    members = plan.members(deployment.nodes, shape_management=shaped)
    release = files.release(needed)
    cluster = Cluster(members, release, run.config.benchmark.text("kube_network"), pki.make(run))
    paths = artifacts.obtain(needed, run.config, run.tell)
    names = [member.name for member in members]
    with _step(run, "programs"):
        known = facts.gather(deployment, names)
        with ThreadPoolExecutor(1) as side:
            copied = side.submit(_copy_programs, deployment, members, paths)
            _prepare(deployment, run, cluster, known)
            copied.result()
    with _step(run, "images"):
        _import_images(deployment, members, needed, paths)
    with _step(run, "control plane and join"):
        playbooks.play(
            HERE / "playbooks" / "cluster.yml", deployment, run, nodes=names, groups={GROUP: names}
        )
    way = deployment.connections[members[0].name]
    kubeconfig = client.fetch_kubeconfig(way, run)
    with _step(run, "ready"), client.connect(way, kubeconfig) as api:
        waiting.settle(api)
        waiting.nodes_ready(api, names, READY_TIMEOUT_S)
    return kubeconfig


@contextmanager
def _step(run: Run, name: str) -> Iterator[None]:
    """Take the time of a step, for the result."""
    begin = time.monotonic()
    yield
    seconds = time.monotonic() - begin
    run.record(STEPS, step=name, seconds=seconds)
    run.tell(f"  kubernetes: {name}: {seconds:.1f} s")
    log.info("%s: %.1f s", name, seconds)


def _prepare(deployment: Deployment, run: Run, cluster: Cluster, known: Mapping[str, facts.Facts]) -> None:
    """Packages, configuration and container engine of every node."""
    folder = pki.folder(run)
    archives = {}
    for member in cluster.members:
        archive = folder / f"{member.name}.tar"
        archive.touch(mode=0o600)
        archive.write_bytes(files.archive(files.of_node(member, known[member.name], cluster)))
        archives[member.name] = archive
    try:
        playbooks.play(
            HERE / "playbooks" / "install.yml",
            deployment,
            run,
            nodes=list(archives),
            groups={GROUP: list(archives)},
            of_node={name: {"kube_files": str(path)} for name, path in archives.items()},
        )
    finally:
        for archive in archives.values():
            archive.unlink()


def _copy_programs(deployment: Deployment, members: Sequence[Member], paths: Mapping[str, Path]) -> None:
    wanted = {name: paths[name] for name in ("kubeadm", "kubelet", "kubectl")}
    transfer.everywhere(
        lambda node: transfer.programs(deployment.connections[node], wanted),
        [member.name for member in members],
    )


def _import_images(
    deployment: Deployment,
    members: Sequence[Member],
    needed: Sequence[Artifact],
    paths: Mapping[str, Path],
) -> None:
    """Images into every node's engine, those of the control plane into its own alone."""
    there = {one.name: paths[one.name] for one in needed if one.kind == "image" and one.name in paths}
    everyones = [path for name, path in there.items() if name not in CONTROL_PLANE_ONLY]
    bundles = {
        member.name: transfer.together(list(there.values()) if member.is_control_plane else everyones)
        for member in members
        if there
    }
    transfer.everywhere(
        lambda node: transfer.images(deployment.connections[node], bundles[node]), list(bundles)
    )
