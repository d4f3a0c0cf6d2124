"""Starts a workload in pods: puts its image onto the nodes, creates its pods, follows each of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.model.node import Node
from continuum.model.workload import Workload
from continuum.modules.job import Job
from continuum.rundir.run import Run
from resource_manager.kubernetes import api_client, cluster_nodes, node_share, pod_spec, pod_start, runtimes
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.api_retry import call_api
from resource_manager.kubernetes.pod_job import PodJob, PodProcess
from resource_manager.kubernetes.pod_spec import Start
from resource_manager.kubernetes.pod_watch import PodWatch
from resource_manager.kubernetes.workload_image import Delivery, build_image, put_image, record_delivery
from resource_manager.none.direct_job import Replica
from resource_manager.none.manager import NoManager

if TYPE_CHECKING:
    from continuum.software.oci.workload import WorkloadImage

START_TIMEOUT_S = 120.0
_DELETE_TIMEOUT_S = 10.0


def submit(workload: Workload, deployment: Deployment, run: Run, how: type[Submission] | None = None) -> Job:
    """Start a workload in pods; directly on its nodes where these are not part of the cluster.

    Args:
        workload: what to start.
        deployment: the nodes.
        run: the run.
        how: how pods are created; by Jobs and Deployments unless given.

    Raises:
        DeployError: no node can run it, or a pod does not start.
    """
    if workload.tier == cluster_nodes.OUTSIDE:
        return NoManager().submit(workload, deployment, run)
    chosen = cluster_nodes.workers_for(workload, deployment)
    if not chosen:
        raise DeployError(f"workload {workload.name}: tier {workload.tier} has no node for it")
    with ExitStack() as stack:
        api = stack.enter_context(api_client.connect(deployment, run))
        job = (how or Submission)(workload, chosen, deployment, run, api).start()
        job.keep(stack.pop_all())
    return job


class Submission:
    """One workload that is being started.

    Args:
        workload: the workload.
        places: the nodes it runs on.
        deployment: all nodes.
        run: the run.
        api: the cluster's.
    """

    def __init__(
        self, workload: Workload, places: Sequence[Node], deployment: Deployment, run: Run, api: Api
    ) -> None:
        self.workload, self.places, self.deployment = workload, places, deployment
        self.run, self.api = run, api
        self.control_plane = cluster_nodes.control_plane_of(deployment)

    def start(self) -> PodJob:
        """Deliver the image, create the pods and wait until they run; returns their job."""
        image, delivery = self._deliver()
        begin_s = time.monotonic()
        watch = PodWatch(self.api, self.selector)
        try:
            self.order(self._start_of(image))
            running = self.wait(watch)
        except BaseException:
            watch.close()
            self.remove_all()
            raise
        replicas = [replica for pod in running for replica in self.replicas(pod, watch, begin_s)]

        def on_ready() -> None:
            record_delivery(self.run, self.workload, delivery, replicas)

        return self.job(replicas, on_ready, watch)

    def order(self, start: Start) -> None:
        """Create what makes the pods."""
        for manifest in pod_spec.objects(self.workload, [place.name for place in self.places], start):
            self._create(manifest)

    @property
    def selector(self) -> str:
        """Label selector of the pods whose replicas the job consists of."""
        return pod_spec.selector(self.workload, self.run.id)

    def job(self, replicas: Sequence[Replica], on_ready: Callable[[], None], watch: PodWatch) -> PodJob:
        """The job of these replicas."""
        return PodJob(self.workload, replicas, on_ready, watch, self.control_plane)

    @property
    def start_timeout_s(self) -> float:
        """Longest time in seconds until all pods run."""
        return START_TIMEOUT_S * self.api.timeout_scale

    @property
    def pods_wanted(self) -> int:
        """Number of pods that the workload has."""
        return len(self.places) * self.workload.replicas_per_node

    def _deliver(self) -> tuple[WorkloadImage, Delivery]:
        """Build the image and put it onto the nodes."""
        image = build_image(self.workload, self.run)
        begin_s = time.monotonic()
        anew = self.run.config.benchmark.flag("docker_pull")
        put_image(image.path, [place.name for place in self.places], self.deployment, anew=anew)
        copy_s = time.monotonic() - begin_s
        return image, Delivery(image.build_s, copy_s, image.path.stat().st_size / 2**20)

    def _start_of(self, image: WorkloadImage) -> Start:
        runtime = runtimes.chosen(self.run.config)
        return Start(
            image=image.reference,
            python=image.python,
            folder=image.folder,
            run_id=self.run.id,
            names={node.name: node.address for node in self.deployment.nodes},
            share=node_share.share_of(self.api, self.workload, self.places),
            timeout_scale=self.api.timeout_scale,
            runtime_class=runtime.runtime_class,
            wall_offsets_ns=pod_start.wall_offsets_ns(runtime, self.places, self.deployment),
        )

    def _create(self, manifest: dict[str, Any]) -> None:
        if manifest["kind"] == "Deployment":
            self.ask(self.api.apps.create_namespaced_deployment, pod_spec.NAMESPACE, manifest)
        else:
            self.ask(self.api.batch.create_namespaced_job, pod_spec.NAMESPACE, manifest)

    def ask(self, method: Callable[..., Any], *arguments: Any, **selection: Any) -> Any:
        """Call the API, again while it is busy.

        Raises:
            DeployError: the API refuses, or does not answer.
        """
        what = f"workload {self.workload.name}: the API on {self.control_plane} refuses it"
        return call_api(method, *arguments, what=what, timeout_scale=self.api.timeout_scale, **selection)

    def wait(self, watch: PodWatch) -> list[Any]:
        """Wait until every pod runs; DeployError says why one does not."""
        name = self.workload.name
        return pod_start.wait_started(
            watch,
            self.pods_wanted,
            self.start_timeout_s,
            self.api,
            f"workload {name}",
            name_of=lambda pod: f"{name}-{pod_spec.number_of(pod)}",
        )

    def replicas(self, pod: Any, watch: PodWatch, begin_s: float) -> list[Replica]:
        """The replicas in a pod that runs."""
        number = pod_spec.number_of(pod)
        removes = partial(self.remove, number)
        process = PodProcess(watch, pod.metadata.name, pod.spec.node_name, self.api, removes)
        folder = pod_spec.folder(self.workload, number)
        name = self.workload.name
        return [pod_start.follow_replica(process, name, number, folder, self.deployment, self.run, begin_s)]

    def remove(self, number: int) -> None:
        """Delete what keeps the pods of a replica running, and so the pods; harmless when repeated."""
        name = f"{self.workload.name.lower()}-{number}"
        delete = (
            self.api.apps.delete_namespaced_deployment
            if self.workload.serves
            else self.api.batch.delete_namespaced_job
        )
        with contextlib.suppress(Exception):  # it does not exist, or the API is gone, which others report
            delete(
                name,
                pod_spec.NAMESPACE,
                propagation_policy="Background",
                _request_timeout=_DELETE_TIMEOUT_S,
            )

    def remove_all(self) -> None:
        """Delete everything that was created; harmless when repeated."""
        for number in range(self.workload.replicas_per_node):
            self.remove(number)
