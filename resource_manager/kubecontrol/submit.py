"""Orders pods by hand, the way ``kube_deployment`` says, and notes when that was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from continuum.errors import DeployError
from continuum.model.marks import CREATED, Mark
from resource_manager.kubecontrol import kubectl, manifests, simulated
from resource_manager.kubecontrol.job import ContainerProcess, ControlJob
from resource_manager.kubecontrol.latency import Watched
from resource_manager.kubecontrol.pretend import Simulated
from resource_manager.kubecontrol.told import Instance, Told
from resource_manager.kubernetes import client, pki, pods
from resource_manager.kubernetes.follow import Pods
from resource_manager.kubernetes.pods import Start
from resource_manager.kubernetes.submit import Submission
from resource_manager.none.job import Replica

PARALLEL = 16
"""Calls of the API at a time, with ``kube_deployment = call``."""

_FOLDER = "/var/lib/continuum/manifests"
_APPLY = (
    f"rm -rf {_FOLDER}; mkdir -p {_FOLDER} && tar -x -C {_FOLDER}"
    f' && exec env TZ=UTC kubectl "$@" -f {_FOLDER}'
)
_EACH_S = 5.0
"""What a pod may take more where there are many; one that is slower than that is stuck."""
_APPLY_TIMEOUT_S = 300.0
_APPLY_EACH_S = 0.2
_REQUEST_TIMEOUT_S = 30.0


class PodSubmission(Submission):
    """One workload on its way, pod by pod."""

    _names: Sequence[str] = ()
    _simulated: Simulated | None = None
    _watched: Watched | None = None

    def order(self, start: Start) -> None:
        """Have the pods made, and keep when each was; from now on the control plane is watched."""
        self._made: list[Told | Mark] = []
        nodes = [place.name for place in self.places]
        objects = manifests.build(self.workload, nodes, start, self.way)
        self._names = [str(one["metadata"]["name"]) for one in objects]
        self._simulated = Simulated(self.api, self.workload, self.run.id, self.simulated_nodes)
        objects += self._simulated.order(start, self.way)
        self._watched = Watched(
            self.deployment.connections[self.control_plane],
            self.run,
            pki.folder(self.run),
            self.simulated_nodes,
        )
        self._watched.start()
        if self.way == manifests.CALL:
            self._call(objects)
        else:
            self._apply(objects)

    @property
    def simulated_nodes(self) -> int:
        """How many nodes are simulated."""
        return self.run.config.benchmark.integer("kwok")

    @property
    def selector(self) -> str:
        """Selects the pods that really run."""
        return f"{super().selector},{simulated.unselector()}"

    def wait(self, followed: Pods) -> list[Any]:
        """Wait until every pod runs, and those on simulated nodes are said to; the real ones."""
        running = super().wait(followed)
        if self._simulated is not None:
            self._simulated.wait()
        return running

    @property
    def way(self) -> str:
        """How pods are ordered, as in ``kube_deployment``."""
        return self.run.config.benchmark.text("kube_deployment")

    @property
    def pods_wanted(self) -> int:
        """How many pods there are to be."""
        copies = 1 if self.way == manifests.CONTAINER else self.workload.replicas_per_node
        return len(self.places) * copies

    @property
    def start_timeout_s(self) -> float:
        """How long all pods may take to run."""
        return super().start_timeout_s + _EACH_S * self.api.timeout_scale * len(self._names)

    def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Give the manifests to kubectl on the control plane, which tells when each pod was made."""
        packed = manifests.archive(manifests.files(objects, self.way))
        way = self.deployment.connections[self.control_plane]
        argv = ["sh", "-c", _APPLY, "apply", "--kubeconfig", client.ADMIN, "apply", "-v=6"]
        limit_s = (_APPLY_TIMEOUT_S + _APPLY_EACH_S * len(objects)) * self.api.timeout_scale
        done = way.run(argv, timeout=limit_s, stdin=packed, check=False)
        if done.status:
            end = "\n  ".join(done.stderr.strip().splitlines()[-3:])
            raise DeployError(f"{self.control_plane}: kubectl made no pods of the manifests:\n  {end}")
        year = datetime.now(timezone.utc).year
        names = [str(one["metadata"]["name"]) for one in objects]
        self._made += kubectl.created(done.stderr.splitlines(), names, year, self.control_plane)

    def _call(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Ask the API for each pod by itself."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            self._made += list(pool.map(self._create_pod, objects))

    def _create_pod(self, one: Mapping[str, Any]) -> Mark:
        sent_ns = time.monotonic_ns()
        self.ask(self.api.core.create_namespaced_pod, pods.NAMESPACE, one)
        took_ns = time.monotonic_ns() - sent_ns
        return Mark(str(one["metadata"]["name"]), CREATED, sent_ns + took_ns // 2, error_ns=took_ns // 2)

    def replicas(self, pod: Any, followed: Pods, begin: float) -> list[Replica]:
        """One for each container of a pod that runs."""
        return [self._container(pod, one.name, followed, begin) for one in pod.spec.containers]

    def _container(self, pod: Any, container: str, followed: Pods, begin: float) -> Replica:
        node, name, number = pod.spec.node_name, pod.metadata.name, manifests.number_of(container)
        log = self.run.directory / "logs" / f"{node}-{self.workload.name}-{number}.log"
        process = ContainerProcess(followed, name, node, self.api, partial(self._delete, name), container)
        followed.copy_log(name, log, lambda: process.poll() is not None, container)
        replica = Replica(
            node,
            f"{self.workload.name}-{number}",
            PurePosixPath(pods.folder(self.workload, number)),
            self.deployment.connections[node],
            process,
            log,
        )
        replica.began(begin)
        return replica

    def job(self, replicas: Sequence[Replica], on_ready: Callable[[], None], followed: Pods) -> ControlJob:
        """The job of these replicas, which knows when its pods were ordered."""
        assert self._simulated is not None, "used before order"
        assert self._watched is not None, "used before order"
        instances = (*self._instances(replicas), *self._simulated.instances())
        return ControlJob(self.workload, replicas, on_ready, followed, self.control_plane).knowing(
            self.api, self.deployment, instances, self._made, watched=self._watched, simulated=self._simulated
        )

    def _instances(self, replicas: Sequence[Replica]) -> Iterator[Instance]:
        for replica in replicas:
            process = replica.process
            assert isinstance(process, ContainerProcess)
            yield Instance(f"{replica.node}/{replica.name}", process.name, process.container, replica.node)

    def remove(self, number: int) -> None:
        """Nothing keeps these pods running; they are removed by name."""

    def remove_all(self) -> None:
        """Remove all pods, and watch no longer; harmless when repeated."""
        if self._watched is not None:
            self._watched.give_up()
        if self._simulated is not None:
            self._simulated.remove()
        for name in self._names:
            self._delete(name)

    def _delete(self, name: str) -> None:
        """Remove a pod; harmless when it is gone."""
        with suppress(Exception):  # it is gone, or the API is, which is told of elsewhere
            self.api.core.delete_namespaced_pod(name, pods.NAMESPACE, _request_timeout=_REQUEST_TIMEOUT_S)
