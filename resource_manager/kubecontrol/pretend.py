"""The pods of one workload on simulated nodes: ordered as the others, but nothing runs there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from continuum.errors import DeployError
from continuum.model.workload import Workload
from resource_manager.kubecontrol import manifests, plain, simulated
from resource_manager.kubecontrol.told import Instance
from resource_manager.kubernetes import explain, pods
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.pods import NAMESPACE, Start

START_TIMEOUT_S = 120.0
EACH_TIMEOUT_S = 0.5
"""What each pod may take more; the scheduler was measured to bind some tens of them a second."""

_POLL_S = 1.0
_REQUEST_TIMEOUT_S = 60.0


class Simulated:
    """Pods on simulated nodes, as many on each as there are on others.

    Args:
        api: the cluster's.
        workload: whose instances they stand for.
        run_id: the run.
        count: how many nodes are simulated.
    """

    def __init__(self, api: Api, workload: Workload, run_id: str, count: int) -> None:
        self._api, self._workload, self._count, self._pods = api, workload, count, 0
        self._running: list[dict[str, Any]] = []
        self._selector = f"{pods.selector(workload, run_id)},{simulated.selector()}"

    def order(self, start: Start, way: str) -> list[dict[str, Any]]:
        """The pods that are wanted."""
        made = manifests.build_simulated(self._workload, simulated.names(self._count), start, way)
        self._pods = len(made)
        return made

    def wait(self) -> None:
        """Wait until all of them are said to run; DeployError says how many are not, and why one is not.

        Those that wait are asked for now and then: a watch over a thousand of them would take as much of
        this machine as the control plane does.
        """
        limit_s = START_TIMEOUT_S + EACH_TIMEOUT_S * self._pods
        deadline = time.monotonic() + limit_s
        while self._pods and not self._all_run():
            if time.monotonic() > deadline:
                raise DeployError(self._complaint(limit_s))
            time.sleep(_POLL_S)

    def _all_run(self) -> bool:
        """Whether none waits, and all are there: the API may be behind with what it tells."""
        if self._listed("status.phase!=Running"):
            return False
        self._running = self._listed("status.phase=Running")
        return len(self._running) == self._pods

    def _complaint(self, limit_s: float) -> str:
        waiting = self._listed("status.phase!=Running")
        said = f"{len(waiting)} of {self._pods} pods on simulated nodes do not run after {limit_s:g} s"
        if not waiting:
            return said
        name = waiting[0]["metadata"]["name"]
        one = self._api.core.read_namespaced_pod(name, NAMESPACE, _request_timeout=_REQUEST_TIMEOUT_S)
        return f"{said}; {name}: {explain.pod(self._api, one)}"

    def instances(self) -> Iterator[Instance]:
        """What they are as instances, each on the node that the scheduler chose."""
        for one in self._running:
            node = str(one["spec"]["nodeName"])
            for container in one["spec"]["containers"]:
                number = manifests.number_of(container["name"])
                name = f"{node}/{self._workload.name}-{number}"
                yield Instance(name, str(one["metadata"]["name"]), str(container["name"]), node, True)

    def remove(self) -> None:
        """Remove them; harmless when repeated."""
        if self._pods:
            with suppress(Exception):  # they are gone, or the API is, which is told of elsewhere
                self._api.core.delete_collection_namespaced_pod(
                    NAMESPACE,
                    label_selector=self._selector,
                    grace_period_seconds=0,
                    _request_timeout=_REQUEST_TIMEOUT_S,
                )

    def _listed(self, field_selector: str) -> list[dict[str, Any]]:
        selection = {"label_selector": self._selector, "field_selector": field_selector}
        return plain.listed(self._api.core.list_namespaced_pod, NAMESPACE, resource_version="0", **selection)
