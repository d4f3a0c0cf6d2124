"""The replicas of one workload, as pods on their nodes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from continuum.errors import BenchmarkError, CommandTimeout, DeployError
from continuum.model.workload import Workload
from continuum.modules.job import Failing
from resource_manager.kubernetes import explain
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.pod_spec import GRACE_S, NAMESPACE
from resource_manager.kubernetes.pod_watch import PodWatch
from resource_manager.none.direct_job import DirectJob, Replica

_POLL_S = 0.05
LOST_AFTER_S = 20.0
"""How long the API may not answer before the control plane counts as lost."""


class PodProcess:
    """The program in one pod; has the methods of ``Process``.

    Args:
        watch: the pods of its workload.
        name: its own name.
        node: where it runs.
        api: the cluster's.
        remove: deletes what keeps it running.
    """

    def __init__(self, watch: PodWatch, name: str, node: str, api: Api, remove: Callable[[], None]) -> None:
        self.watch, self.name, self.node = watch, name, node
        self._api, self._remove = api, remove

    def poll(self) -> int | None:
        """Exit status of the program when it first ended, or None while it runs."""
        pod, exists = self.watch.last(self.name)
        if pod is None:
            return None
        status = self.ended(pod)
        if status is not None:
            return -(status - 128) if status > 128 else status
        if pod.status.phase == "Failed":
            return 1  # for example evicted
        return None if exists else -9

    def ended(self, pod: Any) -> int | None:
        """Exit status of the pod's program, even if it was restarted since; None while it runs."""
        for container in pod.status.container_statuses or ():
            for state in (container.last_state, container.state):
                if state and state.terminated:
                    return int(state.terminated.exit_code)
        return None

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise CommandTimeout(self.node, [self.name], timeout)
            time.sleep(_POLL_S)
        return status

    def write(self, data: bytes) -> None:
        """Not possible: a pod has no input."""
        raise BenchmarkError(f"{self.name} on {self.node} takes no input")

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); harmless when it has ended."""
        self._remove()

    def kill(self) -> None:
        """End it at once."""
        self._remove()
        with contextlib.suppress(Exception):  # it has ended, or the API is gone, which ``failures`` reports
            self._api.core.delete_namespaced_pod(self.name, NAMESPACE, grace_period_seconds=0)

    def explain(self) -> str:
        """Why it does not run: state, events and end of the log."""
        pod, _ = self.watch.last(self.name)
        return explain.pod(self._api, pod) if pod is not None else "the pod does not exist any more"

    def reason(self) -> str:
        """Kubernetes' reason for its end; empty while it runs."""
        pod, _ = self.watch.last(self.name)
        return explain.state(pod)[0] if pod is not None else ""


class PodJob(DirectJob):
    """Pods, followed by watch and log; start signal and events go through a folder on their nodes.

    Args:
        workload: the workload.
        replicas: its replicas.
        on_ready: called once, when all replicas are ready.
        watch: the pods.
        control_plane: name of the node that runs the control plane.
    """

    def __init__(
        self,
        workload: Workload,
        replicas: Sequence[Replica],
        on_ready: Callable[[], None],
        watch: PodWatch,
        control_plane: str,
    ) -> None:
        super().__init__(workload, replicas, on_ready)
        self._watch, self._control_plane = watch, control_plane
        self._way = ExitStack()

    def keep(self, way: ExitStack) -> None:
        """Take over the connection to the API, to close it when the job has ended."""
        self._way = way

    def wait_ready(self, timeout: float, others: Sequence[Failing] = ()) -> None:
        """Return when every replica is ready; DeployError explains why one is not."""
        try:
            super().wait_ready(timeout, others)
        except DeployError as error:
            for replica in self.replicas:
                if isinstance(replica.process, PodProcess) and replica.process.reason():
                    raise DeployError(f"{replica}: {replica.process.explain()}") from error
            raise

    def failures(self) -> tuple[str, ...]:
        """Replicas that ended when they should not have, and a control plane that does not answer."""
        found = []
        for line, replica in zip(super().failures(), self._ended(), strict=True):
            process = replica.process
            reason = process.reason() if isinstance(process, PodProcess) else ""
            found.append(f"{line} ({reason})" if reason else line)
        if self._watch.unheard_s > LOST_AFTER_S * self._watch.timeout_scale:
            found.append(
                f"{self._control_plane}: the control plane of Kubernetes has not answered for"
                f" {self._watch.unheard_s:.0f} s; look at it with: continuum exec RUN {self._control_plane}"
            )
        return tuple(found)

    def _ended(self) -> list[Replica]:
        """The replicas that ``failures`` of the base class reports, in its order."""
        if self._stopping:
            return []
        ends = ((replica, replica.process.poll()) for replica in self.replicas)
        return [
            replica
            for replica, status in ends
            if status is not None and (status != 0 or self.workload.serves)
        ]

    def fetch(self, to: Path) -> None:
        """Copy the events of every replica, then close the connection to the API."""
        super().fetch(to)
        self._watch.end(self._way.close)

    def stop(self, timeout: float) -> None:
        """End every replica: SIGTERM first, SIGKILL after the grace period."""
        least_s = (GRACE_S + 5.0) * self._watch.timeout_scale
        super().stop(max(timeout, least_s) if timeout >= 1 else timeout)

    def cancel(self) -> None:
        """End every replica at once and close the connection to the API."""
        super().cancel()
        self._watch.end(self._way.close)
