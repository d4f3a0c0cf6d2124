"""Creates pods one by one, the way ``kube_deployment`` says, and records when each was created."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.model.marks import CREATED, Mark
from continuum.model.node import Node
from continuum.model.workload import Workload
from continuum.rundir.run import Run
from resource_manager.kubecontrol import kubectl_timestamps, pod_manifests, simulated_nodes
from resource_manager.kubecontrol.control_job import ContainerProcess, ControlJob, Ordered
from resource_manager.kubecontrol.control_plane_latency import LatencyWatch
from resource_manager.kubecontrol.pod_timestamps import Instance, PodTimestamp
from resource_manager.kubecontrol.simulated_pods import SimulatedPods
from resource_manager.kubernetes.api import (
    ADMIN,
    NAMESPACE,
    Api,
    PodWatch,
    Start,
    Submission,
    follow_replica,
    pki,
    pod_spec,
)
from resource_manager.none.direct_job import Replica

PARALLEL = 16
"""Concurrent calls of the API, with ``kube_deployment = call``."""

_FOLDER = "/var/lib/continuum/manifests"
_APPLY = (
    f"rm -rf {_FOLDER}; mkdir -p {_FOLDER} && tar -x -C {_FOLDER}"
    f' && exec env TZ=UTC kubectl "$@" -f {_FOLDER}'
)
_EACH_S = 5.0
"""What each pod adds to the time-out of all; one that is slower is stuck."""
_APPLY_TIMEOUT_S = 300.0
_APPLY_EACH_S = 0.2
_REQUEST_TIMEOUT_S = 30.0


class PodSubmission(Submission):
    """One workload that is being started, pod by pod. Arguments as of ``Submission``."""

    def __init__(
        self, workload: Workload, places: Sequence[Node], deployment: Deployment, run: Run, api: Api
    ) -> None:
        super().__init__(workload, places, deployment, run, api)
        self._names: Sequence[str] = ()
        self._created: list[PodTimestamp | Mark] = []
        self._simulated = SimulatedPods(api, workload, run.id, self.simulated_nodes)
        way, keys = deployment.connections[self.control_plane], pki.folder(run)
        self._latency = LatencyWatch(way, run, keys, self.simulated_nodes)

    def order(self, start: Start) -> None:
        """Create the pods; from now on the latency of the control plane is measured."""
        nodes = [place.name for place in self.places]
        manifests = pod_manifests.build(self.workload, nodes, start, self.way)
        self._names = [str(one["metadata"]["name"]) for one in manifests]
        manifests += self._simulated.order(start, self.way)
        self._latency.start()
        if self.way == pod_manifests.CALL:
            self._call(manifests)
        else:
            self._apply(manifests)

    @property
    def simulated_nodes(self) -> int:
        """Number of simulated nodes."""
        return self.run.config.benchmark.integer("kwok")

    @property
    def selector(self) -> str:
        """Label selector of the pods that really run."""
        return f"{super().selector},{simulated_nodes.unselector()}"

    def wait(self, watch: PodWatch) -> list[Any]:
        """Wait until every pod runs, those on simulated nodes too; returns the real ones."""
        running = super().wait(watch)
        self._simulated.wait()
        return running

    @property
    def way(self) -> str:
        """How pods are created: the value of ``kube_deployment``."""
        return self.run.config.benchmark.text("kube_deployment")

    @property
    def pods_wanted(self) -> int:
        """Number of real pods that the workload has."""
        copies = 1 if self.way == pod_manifests.CONTAINER else self.workload.replicas_per_node
        return len(self.places) * copies

    @property
    def start_timeout_s(self) -> float:
        """Longest time in seconds until all pods run."""
        return super().start_timeout_s + _EACH_S * self.api.timeout_scale * len(self._names)

    def _apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Run kubectl with the manifests on the control plane; its log says when each pod was created."""
        packed = pod_manifests.archive(pod_manifests.files(manifests, self.way))
        way = self.deployment.connections[self.control_plane]
        argv = ["sh", "-c", _APPLY, "apply", "--kubeconfig", ADMIN, "apply", "-v=6"]
        limit_s = (_APPLY_TIMEOUT_S + _APPLY_EACH_S * len(manifests)) * self.api.timeout_scale
        done = way.run(argv, timeout=limit_s, stdin=packed, check=False)
        if done.status:
            end = "\n  ".join(done.stderr.strip().splitlines()[-3:])
            raise DeployError(f"{self.control_plane}: kubectl made no pods of the manifests:\n  {end}")
        year = datetime.now(timezone.utc).year
        names = [str(one["metadata"]["name"]) for one in manifests]
        self._created += kubectl_timestamps.created(done.stderr.splitlines(), names, year, self.control_plane)

    def _call(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Create each pod by a call of the API."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            self._created += list(pool.map(self._create_pod, manifests))

    def _create_pod(self, manifest: Mapping[str, Any]) -> Mark:
        sent_ns = time.monotonic_ns()
        self.ask(self.api.core.create_namespaced_pod, NAMESPACE, manifest)
        took_ns = time.monotonic_ns() - sent_ns
        name = str(manifest["metadata"]["name"])
        return Mark(name, CREATED, sent_ns + took_ns // 2, error_ns=took_ns // 2)

    def replicas(self, pod: Any, watch: PodWatch, begin_s: float) -> list[Replica]:
        """One replica for each container of a pod that runs."""
        return [self._container(pod, one.name, watch, begin_s) for one in pod.spec.containers]

    def _container(self, pod: Any, container: str, watch: PodWatch, begin_s: float) -> Replica:
        name, number = pod.metadata.name, pod_manifests.number_of(container)
        removes = partial(self._delete, name)
        process = ContainerProcess(watch, name, pod.spec.node_name, self.api, removes, container)
        return follow_replica(
            process,
            self.workload.name,
            number,
            pod_spec.folder(self.workload, number),
            self.deployment,
            self.run,
            begin_s,
            container=container,
            is_created_here=False,
        )

    def job(self, replicas: Sequence[Replica], on_ready: Callable[[], None], watch: PodWatch) -> ControlJob:
        """The job of these replicas, with when their pods were created."""
        instances = (*self._instances(replicas), *self._simulated.instances())
        ordered = Ordered(self.api, self.deployment, instances, self._created, self._latency, self._simulated)
        return ControlJob(self.workload, replicas, on_ready, watch, self.control_plane, ordered)

    def _instances(self, replicas: Sequence[Replica]) -> Iterator[Instance]:
        for replica in replicas:
            process = replica.process
            assert isinstance(process, ContainerProcess)
            yield Instance(f"{replica.node}/{replica.name}", process.name, process.container, replica.node)

    def remove(self, number: int) -> None:
        """Nothing: no object keeps these pods running; ``remove_all`` deletes them by name."""

    def remove_all(self) -> None:
        """Delete all pods and stop measuring; harmless when repeated."""
        self._latency.give_up()
        self._simulated.remove()
        for name in self._names:
            self._delete(name)

    def _delete(self, name: str) -> None:
        """Delete a pod; harmless when it does not exist."""
        with suppress(Exception):  # it does not exist, or the API is gone, which others report
            self.api.core.delete_namespaced_pod(name, NAMESPACE, _request_timeout=_REQUEST_TIMEOUT_S)
