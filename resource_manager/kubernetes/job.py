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
from resource_manager.kubernetes import explain
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.follow import Pods
from resource_manager.kubernetes.pods import GRACE_S, NAMESPACE
from resource_manager.none.job import DirectJob, Replica

_POLL_S = 0.05
LOST_AFTER_S = 20.0
"""How long the API may be silent before the control plane counts as lost."""


class PodProcess:
    """The program in one pod; as ``Process``.

    Args:
        pods: the pods of its workload.
        name: its own.
        node: where it runs.
        api: the cluster's.
        remove: removes what keeps it running.
    """

    def __init__(self, pods: Pods, name: str, node: str, api: Api, remove: Callable[[], None]) -> None:
        self.name, self.node = name, node
        self._pods, self._api, self._remove = pods, api, remove

    def poll(self) -> int | None:
        """Exit status of the program when it first ended, or None while it runs."""
        pod, there = self._pods.last(self.name)
        if pod is None:
            return None
        ended = _first_end(pod)
        if ended is not None:
            return -(ended - 128) if ended > 128 else ended
        if pod.status.phase == "Failed":
            return 1  # evicted, for one
        return None if there else -9

    def wait(self, timeout: float) -> int:
        """Exit status; raises CommandTimeout after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise CommandTimeout(self.node, [self.name], timeout)
            time.sleep(_POLL_S)
        return status

    def write(self, data: bytes) -> None:
        """A pod takes no input."""
        raise BenchmarkError(f"{self.name} on {self.node} takes no input")

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); harmless when it has ended."""
        self._remove()

    def kill(self) -> None:
        """End it at once."""
        self._remove()
        with contextlib.suppress(Exception):  # it has ended, or the API has, which is told of elsewhere
            self._api.core.delete_namespaced_pod(self.name, NAMESPACE, grace_period_seconds=0)

    def explain(self) -> str:
        """All that can be known of why it is not as it should be."""
        pod, _ = self._pods.last(self.name)
        return explain.pod(self._api, pod) if pod is not None else "it is not there any more"

    def reason(self) -> str:
        """Why it ended, as Kubernetes says; empty when it has not."""
        pod, _ = self._pods.last(self.name)
        return explain.state(pod)[0] if pod is not None else ""


def _first_end(pod: Any) -> int | None:
    """Exit status of a pod's program, even if it was started again since."""
    for container in pod.status.container_statuses or ():
        for state in (container.last_state, container.state):
            if state and state.terminated:
                return int(state.terminated.exit_code)
    return None


class PodJob(DirectJob):
    """Pods, followed by watch and log, spoken to by a folder on their nodes."""

    def __init__(
        self,
        workload: Workload,
        replicas: Sequence[Replica],
        on_ready: Callable[[], None],
        pods: Pods,
        control_plane: str,
    ) -> None:
        super().__init__(workload, replicas, on_ready)
        self._pods, self._control_plane = pods, control_plane
        self._way = ExitStack()

    def keep(self, way: ExitStack) -> None:
        """Hold the way to the API open for as long as the job lasts."""
        self._way = way

    def wait_ready(self, timeout: float) -> None:
        """Return when every replica is ready; DeployError says all that is known of one that is not."""
        try:
            super().wait_ready(timeout)
        except DeployError as error:
            for replica in self.replicas:
                if isinstance(replica.process, PodProcess) and replica.process.reason():
                    raise DeployError(f"{replica}: {replica.process.explain()}") from error
            raise

    def failures(self) -> tuple[str, ...]:
        """Replicas that ended when they should not have, and whether the cluster still answers."""
        found = []
        for line, replica in zip(super().failures(), self._ended(), strict=True):
            process = replica.process
            reason = process.reason() if isinstance(process, PodProcess) else ""
            found.append(f"{line} ({reason})" if reason else line)
        if self._pods.unheard_s > LOST_AFTER_S * self._pods.timeout_scale:
            found.append(
                f"{self._control_plane}: the control plane of Kubernetes has not answered for"
                f" {self._pods.unheard_s:.0f} s; look at it with: continuum exec RUN {self._control_plane}"
            )
        return tuple(found)

    def _ended(self) -> list[Replica]:
        """Those that ``failures`` of the base class tells of, in its order."""
        if self._stopping:
            return []
        ends = ((replica, replica.process.poll()) for replica in self.replicas)
        return [
            replica
            for replica, status in ends
            if status is not None and (status != 0 or self.workload.serves)
        ]

    def fetch(self, to: Path) -> None:
        """Copy the events of every replica; the API is not needed any more afterwards."""
        super().fetch(to)
        self._pods.end(self._way.close)

    def stop(self, timeout: float) -> None:
        """End every replica, gently first."""
        least_s = (GRACE_S + 5.0) * self._pods.timeout_scale
        super().stop(max(timeout, least_s) if timeout >= 1 else timeout)

    def cancel(self) -> None:
        """End every replica at once."""
        super().cancel()
        self._pods.end(self._way.close)
