"""Instances of a workload as containers of pods, with their timelines from every source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.model.marks import Mark
from continuum.model.workload import Workload
from resource_manager.kubecontrol import pod_timestamps, timestamp_sources
from resource_manager.kubecontrol.control_plane_latency import LatencyWatch
from resource_manager.kubecontrol.pod_timestamps import Instance, PodTimestamp, WallClock
from resource_manager.kubecontrol.simulated_pods import SimulatedPods
from resource_manager.kubernetes.api import Api, PodJob, PodProcess, PodWatch
from resource_manager.none.direct_job import Replica


class ContainerProcess(PodProcess):
    """The program in one container of a pod; has the methods of ``Process``.

    Args:
        watch: the pods of its workload.
        name: the pod's name.
        node: where it runs.
        api: the cluster's.
        remove: deletes the pod.
        container: its own name.
    """

    def __init__(
        self, watch: PodWatch, name: str, node: str, api: Api, remove: Callable[[], None], container: str
    ) -> None:
        super().__init__(watch, name, node, api, remove)
        self.container = container

    def ended(self, pod: Any) -> int | None:
        """Exit status of the container's program; None while it runs."""
        for one in pod.status.container_statuses or ():
            if one.name == self.container and one.state and one.state.terminated:
                return int(one.state.terminated.exit_code)
        return None


@dataclass(frozen=True)
class Ordered:
    """The pods of one workload as they were created.

    Attributes:
        api: the cluster's.
        deployment: all nodes.
        instances: the containers that are instances of the workload.
        created: when each pod was created, by its name, from the client that created it.
        latency: takes the latencies of the control plane.
        simulated: the pods on simulated nodes.
    """

    api: Api
    deployment: Deployment
    instances: tuple[Instance, ...]
    created: Sequence[PodTimestamp | Mark]
    latency: LatencyWatch
    simulated: SimulatedPods


@dataclass
class Collected:
    """What the sources say of the pods, collected while the pods still exist.

    Attributes:
        timestamps: from all sources.
        clocks: wall clock of each node.
    """

    timestamps: tuple[PodTimestamp, ...] = ()
    clocks: dict[str, WallClock] = field(default_factory=dict)


class ControlJob(PodJob):
    """Pods with their timelines: from the API, containerd, the client that created them and their programs.

    Args:
        workload: the workload.
        replicas: its replicas.
        on_ready: called once, when all replicas are ready.
        watch: the pods.
        control_plane: name of the node that runs the control plane.
        ordered: the pods as they were created.
    """

    def __init__(
        self,
        workload: Workload,
        replicas: Sequence[Replica],
        on_ready: Callable[[], None],
        watch: PodWatch,
        control_plane: str,
        ordered: Ordered,
    ) -> None:
        super().__init__(workload, replicas, on_ready, watch, control_plane)
        self._ordered, self._collected = ordered, Collected()

    def stop(self, timeout: float) -> None:
        """End every replica, SIGTERM first; before that, collect the timelines while the pods exist."""
        if timeout >= 1:  # not in a hurry
            with contextlib.suppress(Exception):  # a cluster that has failed is reported by ``failures``
                self._ordered.latency.end()
                self._collect()
                self._ordered.simulated.remove()
        self._ordered.latency.give_up()
        super().stop(timeout)

    def cancel(self) -> None:
        """End every replica at once."""
        self._ordered.latency.give_up()
        super().cancel()

    def _collect(self) -> None:
        ordered = self._ordered
        nodes = sorted({instance.node for instance in ordered.instances if not instance.simulated})
        names = {instance.pod for instance in ordered.instances}
        ways = ordered.deployment.connections
        control_plane = self._control_plane
        self._collected.timestamps = tuple(
            timestamp_sources.collect(ordered.api, ways, nodes, names, control_plane)
        )
        chosen = {name: ways[name] for name in {control_plane, *nodes}}
        pythons = {node.name: node.python for node in ordered.deployment.nodes}
        self._collected.clocks = timestamp_sources.wall_clocks(chosen, pythons)

    def marks(self) -> Iterator[Mark]:
        """The timelines of all instances, as far as any source knows them."""
        yield from super().marks()
        instances, created = self._ordered.instances, self._ordered.created
        stamped = [one for one in created if isinstance(one, PodTimestamp)]
        timestamps = [*self._collected.timestamps, *stamped]
        yield from pod_timestamps.marks(timestamps, instances, self._collected.clocks)
        by_pod = {one.instance: one for one in created if isinstance(one, Mark)}
        for instance in instances:
            if (mark := by_pod.get(instance.pod)) is not None:
                yield replace(mark, instance=instance.name, node=instance.node, simulated=instance.simulated)

    def fetch(self, to: Path) -> None:
        """Copy the events of every replica, and write what each source said of the pods."""
        timestamp_sources.keep(self._collected.timestamps, to / f"{self.workload.name}-pod-timestamps.jsonl")
        super().fetch(to)
