"""Starts a workload: its image onto the nodes, its pods, and the way to each of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from continuum.connection.deployment import Deployment
from continuum.connection.forward import forward
from continuum.errors import DeployError
from continuum.model.node import Node
from continuum.model.workload import Workload
from continuum.modules.job import Job
from continuum.rundir.run import Run
from continuum.software import artifacts
from resource_manager.kubernetes import client, cluster_nodes, explain, pki, pods, transfer
from resource_manager.kubernetes.asking import patiently
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.follow import Pods
from resource_manager.kubernetes.job import PodJob, PodProcess
from resource_manager.kubernetes.pods import Start
from resource_manager.none.job import Replica
from resource_manager.none.manager import NoManager

if TYPE_CHECKING:
    from continuum.software.oci.workload import WorkloadImage

START_TIMEOUT_S = 120.0
_REQUEST_TIMEOUT_S = 30.0
# What cannot become better by waiting.
_HOPELESS = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "ContainerCannotRun",
        "OOMKilled",
        "Error",
        "Completed",
    }
)


def submit(workload: Workload, deployment: Deployment, run: Run, how: type[Submission] | None = None) -> Job:
    """Start a workload in pods; directly on its nodes where these are not part of the cluster.

    Args:
        workload: what to start.
        deployment: the nodes.
        run: the run.
        how: how pods are ordered; by Jobs and Deployments unless said otherwise.
    """
    if workload.tier == cluster_nodes.OUTSIDE:
        return NoManager().submit(workload, deployment, run)
    chosen = places(workload, deployment)
    if not chosen:
        raise DeployError(f"workload {workload.name}: tier {workload.tier} has no node for it")
    cluster = cluster_nodes.members(deployment.nodes, shape_management=False)
    control_plane = cluster[0].name
    with ExitStack() as stack:
        port = stack.enter_context(forward(deployment.connections[control_plane], client.PORT))
        api = client.open_api(pki.folder(run) / client.KUBECONFIG, port, deployment.timeout_scale)
        job = (how or Submission)(workload, chosen, deployment, run, api, control_plane).start()
        job.keep(stack.pop_all())
    return job


def places(workload: Workload, deployment: Deployment) -> list[Node]:
    """The workers that a workload runs on."""
    cluster = cluster_nodes.members(deployment.nodes, shape_management=False)
    workers = {member.name for member in cluster if not member.is_control_plane}
    return [
        node
        for node in deployment.nodes_of(workload.tier)
        if node.name in workers and (not workload.nodes or node.name in workload.nodes)
    ]


class Submission:
    """One workload on its way."""

    def __init__(
        self,
        workload: Workload,
        places: Sequence[Node],
        deployment: Deployment,
        run: Run,
        api: Api,
        control_plane: str,
    ) -> None:
        self.workload, self.places, self.deployment, self.run = workload, places, deployment, run
        self.api, self.control_plane = api, control_plane

    def start(self) -> PodJob:
        """Image, objects, pods."""
        image, copy_s = self._deliver()
        begin = time.monotonic()
        followed = Pods(self.api, self.selector)
        try:
            self.order(self._plan(image))
            running = self.wait(followed)
        except BaseException:
            followed.close()
            self.remove_all()
            raise
        replicas = [replica for pod in running for replica in self.replicas(pod, followed, begin)]

        def on_ready() -> None:
            self._record(image, copy_s, replicas)

        return self.job(replicas, on_ready, followed)

    def order(self, start: Start) -> None:
        """Have the pods made."""
        for one in pods.objects(self.workload, [place.name for place in self.places], start):
            self._create(one)

    @property
    def selector(self) -> str:
        """Selects the pods whose replicas the job is of."""
        return pods.selector(self.workload, self.run.id)

    def job(self, replicas: Sequence[Replica], on_ready: Callable[[], None], followed: Pods) -> PodJob:
        """The job of these replicas."""
        return PodJob(self.workload, replicas, on_ready, followed, self.control_plane)

    @property
    def start_timeout_s(self) -> float:
        """How long all pods may take to run."""
        return START_TIMEOUT_S * self.api.timeout_scale

    @property
    def pods_wanted(self) -> int:
        """How many pods there are to be."""
        return len(self.places) * self.workload.replicas_per_node

    def _deliver(self) -> tuple[WorkloadImage, float]:
        """The image, made and put onto the nodes; the time that took."""
        image = prepare(self.workload, self.run)
        begin = time.monotonic()
        anew = self.run.config.benchmark.flag("docker_pull")
        put(image.path, [place.name for place in self.places], self.deployment, anew=anew)
        return image, time.monotonic() - begin

    def _plan(self, image: WorkloadImage) -> Start:
        there = self.ask(
            self.api.core.list_node, label_selector=f"{cluster_nodes.TIER_LABEL}={self.workload.tier}"
        )
        share = share_of(there.items, self.workload, self.places)
        return Start(
            image=image.reference,
            python=image.python,
            folder=image.folder,
            run_id=self.run.id,
            names={node.name: node.address for node in self.deployment.nodes},
            share=share,
            timeout_scale=self.api.timeout_scale,
        )

    def _create(self, one: dict[str, Any]) -> None:
        if one["kind"] == "Deployment":
            self.ask(self.api.apps.create_namespaced_deployment, pods.NAMESPACE, one)
        else:
            self.ask(self.api.batch.create_namespaced_job, pods.NAMESPACE, one)

    def ask(self, method: Callable[..., Any], *arguments: Any, **selection: Any) -> Any:
        """Call the API, again while it is busy; what it refuses becomes an error of ours."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        timeout_s = _REQUEST_TIMEOUT_S * self.api.timeout_scale
        call = partial(method, *arguments, **selection, _request_timeout=timeout_s)
        try:
            return patiently(call, self.api.timeout_scale)
        except (ApiException, HTTPError, OSError) as error:
            said = getattr(error, "body", None) or error
            raise DeployError(
                f"workload {self.workload.name}: the API on {self.control_plane} refuses it: {said}"
            ) from error

    def wait(self, followed: Pods) -> list[Any]:
        """Wait until every pod runs; DeployError says why one does not."""
        wanted = self.pods_wanted

        def settled(there: list[Any]) -> bool:
            return sum(_runs(one) for one in there) >= wanted or any(is_hopeless(one) for one in there)

        followed.wait(settled, self.start_timeout_s)
        there = followed.all()
        running = [one for one in there if _runs(one)]
        if len(running) >= wanted:
            return running
        bad = sorted((one for one in there if not _runs(one)), key=lambda one: not is_hopeless(one))
        if not bad:
            raise DeployError(f"workload {self.workload.name}: Kubernetes made no pods for it")
        node = bad[0].spec.node_name
        where = f" on {node}" if node else ""
        raise DeployError(
            f"{self.workload.name}-{pods.number_of(bad[0])}{where}: {explain.pod(self.api, bad[0])}"
        )

    def replicas(self, pod: Any, followed: Pods, begin: float) -> list[Replica]:
        """The replicas in a pod that runs."""
        node, number, name = pod.spec.node_name, pods.number_of(pod), pod.metadata.name
        log = self.run.directory / "logs" / f"{node}-{self.workload.name}-{number}.log"
        process = PodProcess(followed, name, node, self.api, partial(self.remove, number))
        followed.copy_log(name, log, lambda: process.poll() is not None)
        replica = Replica(
            node,
            f"{self.workload.name}-{number}",
            PurePosixPath(pods.folder(self.workload, number)),
            self.deployment.connections[node],
            process,
            log,
            round(begin * 1e9),
        )
        replica.began(begin)
        return [replica]

    def remove(self, number: int) -> None:
        """Remove what keeps the pods of a replica running, and so the pods; harmless when repeated."""
        name = f"{self.workload.name.lower()}-{number}"
        remove = (
            self.api.apps.delete_namespaced_deployment
            if self.workload.serves
            else self.api.batch.delete_namespaced_job
        )
        with contextlib.suppress(Exception):  # it is gone, or the API is, which is told of elsewhere
            remove(name, pods.NAMESPACE, propagation_policy="Background", _request_timeout=10)

    def remove_all(self) -> None:
        """Remove whatever was ordered; harmless when repeated."""
        for number in range(self.workload.replicas_per_node):
            self.remove(number)

    def _record(self, image: WorkloadImage, copy_s: float, replicas: Sequence[Replica]) -> None:
        """Keep for the result how long it took to bring the workload to its nodes and up."""
        started: Mapping[str, float | None] = {replica.node: replica.start_s for replica in replicas}
        for number, (node, start_s) in enumerate(started.items()):
            self.run.record(
                "deliveries",
                node=node,
                workload=self.workload.name,
                build_s=0.0 if number else image.build_s,
                copy_s=copy_s,
                install_s=0.0,
                start_s=start_s,
                copied_mb=image.path.stat().st_size / 2**20,
            )


def prepare(workload: Workload, run: Run) -> WorkloadImage:
    """The image of a workload, made unless it is there."""
    from continuum.software.oci.workload import workload_image

    return workload_image(
        workload,
        architecture=artifacts.architecture_of(run.config),
        mirror=run.config.infrastructure.maybe_text("package_mirror"),
    )


def put(archive: Path, nodes: Sequence[str], deployment: Deployment, *, anew: bool = False) -> None:
    """Put the image of a workload, in an archive, into the engines of some nodes."""
    ways, timeout_scale = deployment.connections, deployment.timeout_scale

    def put_on(node: str) -> None:
        transfer.images(ways[node], [archive], timeout_scale=timeout_scale, anew=anew)

    transfer.everywhere(put_on, nodes)


def share_of(there: Sequence[Any], workload: Workload, places: Sequence[Node]) -> pods.Share:
    """What a replica of a workload gets of each of its nodes, of all nodes that the API knows."""
    by_name = {one.metadata.name: one.status.allocatable for one in there}
    free = [by_name[place.name] for place in places]
    return pods.share(
        workload,
        min(place.spec.quota for place in places),
        min(_milli(one["cpu"]) for one in free),
        min(_mebibytes(one["memory"]) for one in free),
    )


def _runs(pod: Any) -> bool:
    statuses = pod.status.container_statuses or ()
    return bool(statuses) and all(one.state.running is not None for one in statuses)


def is_hopeless(pod: Any) -> bool:
    """Whether waiting cannot make a pod run."""
    reason, _ = explain.state(pod)
    return reason in _HOPELESS or pod.status.phase == "Failed"


def _milli(quantity: str) -> int:
    """CPU as Kubernetes writes it, in thousandths."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def _mebibytes(quantity: str) -> int:
    """Memory as Kubernetes writes it, in MiB."""
    for unit, factor in (("Ki", 2**-10), ("Mi", 1), ("Gi", 2**10), ("Ti", 2**20)):
        if quantity.endswith(unit):
            return int(int(quantity.removesuffix(unit)) * factor)
    return int(quantity) >> 20
