"""The pods of one workload on simulated nodes: created like all others, but no program runs in them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from continuum.errors import DeployError
from continuum.model.workload import Workload
from resource_manager.kubecontrol import api_json, pod_manifests, simulated_nodes
from resource_manager.kubecontrol.pod_timestamps import Instance
from resource_manager.kubernetes.api import NAMESPACE, Api, Start, explain, pod_spec

START_TIMEOUT_S = 120.0
EACH_TIMEOUT_S = 0.5
"""What each pod adds to the time-out of all; the scheduler was measured to bind some tens a second."""

_POLL_S = 1.0
_REQUEST_TIMEOUT_S = 60.0


class SimulatedPods:
    """Pods on simulated nodes, as many on each as on a real node.

    Args:
        api: the cluster's.
        workload: whose instances they stand for.
        run_id: the run.
        count: number of simulated nodes.
    """

    def __init__(self, api: Api, workload: Workload, run_id: str, count: int) -> None:
        self._api, self._workload, self._count, self._pods = api, workload, count, 0
        self._running: list[dict[str, Any]] = []
        self._selector = f"{pod_spec.selector(workload, run_id)},{simulated_nodes.selector()}"

    def order(self, start: Start, way: str) -> list[dict[str, Any]]:
        """The manifests of the pods."""
        made = pod_manifests.build_simulated(self._workload, simulated_nodes.names(self._count), start, way)
        self._pods = len(made)
        return made

    def wait(self) -> None:
        """Wait until the API reports all of them as running.

        Pods that do not run yet are listed once a second: a watch over a thousand of them would take as much
        of this machine as the control plane does.

        Raises:
            DeployError: some do not run in time; the message says how many, and why one does not.
        """
        limit_s = (START_TIMEOUT_S + EACH_TIMEOUT_S * self._pods) * self._api.timeout_scale
        deadline = time.monotonic() + limit_s
        while self._pods and not self._all_run():
            if time.monotonic() > deadline:
                raise DeployError(self._complaint(limit_s))
            time.sleep(_POLL_S)

    def _all_run(self) -> bool:
        """Whether no pod waits and all exist: a list from the API server's cache may be behind."""
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
        """Their containers as instances, each on the node that the scheduler chose."""
        for one in self._running:
            spec = one.get("spec") or {}
            node = str(spec.get("nodeName") or "")
            for container in spec.get("containers") or ():
                number = pod_manifests.number_of(container["name"])
                name = f"{node}/{self._workload.name}-{number}"
                yield Instance(name, str(one["metadata"]["name"]), str(container["name"]), node, True)

    def remove(self) -> None:
        """Delete them; harmless when repeated."""
        if self._pods:
            with suppress(Exception):  # they do not exist, or the API is gone, which others report
                self._api.core.delete_collection_namespaced_pod(
                    NAMESPACE,
                    label_selector=self._selector,
                    grace_period_seconds=0,
                    _request_timeout=_REQUEST_TIMEOUT_S,
                )

    def _listed(self, field_selector: str) -> list[dict[str, Any]]:
        selection = {"label_selector": self._selector, "field_selector": field_selector}
        return api_json.listed(
            self._api.core.list_namespaced_pod, NAMESPACE, resource_version="0", **selection
        )
