"""Instances of a workload as containers of pods, with their lives from all who know of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from continuum.connection.deployment import Deployment
from continuum.model.marks import Mark
from resource_manager.kubecontrol import sources, told
from resource_manager.kubecontrol.latency import Watched
from resource_manager.kubecontrol.pretend import Simulated
from resource_manager.kubecontrol.told import Instance, Told, Wall
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.follow import Pods
from resource_manager.kubernetes.job import PodJob, PodProcess


class ContainerProcess(PodProcess):
    """The program in one container of a pod; as ``Process``.

    Args:
        pods: the pods of its workload.
        name: the pod's.
        node: where it runs.
        api: the cluster's.
        remove: removes the pod.
        container: its own name.
    """

    def __init__(
        self, pods: Pods, name: str, node: str, api: Api, remove: Callable[[], None], container: str
    ) -> None:
        super().__init__(pods, name, node, api, remove)
        self.container = container

    def poll(self) -> int | None:
        """Exit status of the program, or None while it runs."""
        pod, there = self._pods.last(self.name)
        for one in (pod.status.container_statuses or ()) if pod is not None else ():
            if one.name == self.container and one.state and one.state.terminated:
                ended = int(one.state.terminated.exit_code)
                return -(ended - 128) if ended > 128 else ended
        if pod is not None and pod.status.phase == "Failed":
            return 1  # evicted, for one
        return None if there or pod is None else -9


class ControlJob(PodJob):
    """Pods whose lives are told by the API, by containerd, by whoever ordered them, and by their programs."""

    _api: Api
    _deployment: Deployment
    _instances: tuple[Instance, ...] = ()
    _made: Sequence[Told | Mark] = ()
    _told: tuple[Told, ...] = ()
    _walls: dict[str, Wall]
    _watched: Watched
    _simulated: Simulated

    def knowing(
        self,
        api: Api,
        deployment: Deployment,
        instances: tuple[Instance, ...],
        made: Sequence[Told | Mark],
        *,
        watched: Watched,
        simulated: Simulated,
    ) -> ControlJob:
        """The same job, which knows whom to ask.

        Args:
            api: the cluster's.
            deployment: all nodes.
            instances: the containers that count.
            made: when each pod was made, by its name, from those who ordered it.
            watched: whoever takes the latencies of the control plane.
            simulated: the pods on simulated nodes.
        """
        self._api, self._deployment, self._instances, self._made = api, deployment, instances, made
        self._walls, self._watched, self._simulated = {}, watched, simulated
        return self

    def stop(self, timeout: float) -> None:
        """End every replica, gently first; before that, ask for their lives, while pods are still there."""
        if timeout >= 1:  # not in a hurry
            with contextlib.suppress(Exception):  # a cluster that has failed is told of elsewhere
                self._watched.end()
                self._ask()
                self._simulated.remove()
        self._watched.give_up()
        super().stop(timeout)

    def cancel(self) -> None:
        """End every replica at once."""
        self._watched.give_up()
        super().cancel()

    def _ask(self) -> None:
        nodes = sorted({instance.node for instance in self._instances if not instance.simulated})
        names = {instance.pod for instance in self._instances}
        ways = self._deployment.connections
        self._told = tuple(sources.ask(self._api, ways, nodes, names, self._control_plane))
        chosen = {name: ways[name] for name in {self._control_plane, *nodes}}
        pythons = {node.name: node.python for node in self._deployment.nodes}
        self._walls = sources.walls(chosen, pythons)

    def marks(self) -> Iterator[Mark]:
        """The lives of all instances, as far as anybody knows of them."""
        yield from super().marks()
        ordered = [one for one in self._made if isinstance(one, Told)]
        yield from told.marks([*self._told, *ordered], self._instances, self._walls)
        by_pod = {one.instance: one for one in self._made if isinstance(one, Mark)}
        for instance in self._instances:
            if (mark := by_pod.get(instance.pod)) is not None:
                yield replace(mark, instance=instance.name, node=instance.node, simulated=instance.simulated)

    def fetch(self, to: Path) -> None:
        """Copy the events of every replica, and keep what was told of the pods."""
        sources.keep(self._told, to / f"{self.workload.name}-told.jsonl")
        super().fetch(to)
