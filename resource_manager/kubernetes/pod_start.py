"""From pods that were created to replicas that run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.model.node import Node
from continuum.rundir.run import Run
from resource_manager.kubernetes import explain, node_clocks
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.pod_job import PodProcess
from resource_manager.kubernetes.pod_spec import CONTAINER
from resource_manager.kubernetes.pod_watch import PodWatch
from resource_manager.kubernetes.runtimes import Runtime
from resource_manager.none.direct_job import Replica

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
"""Reasons that do not go away by waiting."""


def is_running(pod: Any) -> bool:
    """Whether every container of a pod runs."""
    statuses = pod.status.container_statuses or ()
    return bool(statuses) and all(one.state.running is not None for one in statuses)


def is_ready(pod: Any) -> bool:
    """Whether a pod is Ready and is not being deleted."""
    conditions = pod.status.conditions or ()
    return pod.metadata.deletion_timestamp is None and any(
        one.type == "Ready" and one.status == "True" for one in conditions
    )


def is_hopeless(pod: Any) -> bool:
    """Whether a pod has failed in a way that waiting does not change."""
    reason, _ = explain.state(pod)
    return reason in _HOPELESS or pod.status.phase == "Failed"


def wait_started(
    watch: PodWatch,
    wanted: int,
    timeout_s: float,
    api: Api,
    what: str,
    *,
    started: Callable[[Any], bool] = is_running,
    name_of: Callable[[Any], str] | None = None,
) -> list[Any]:
    """Wait until as many pods as wanted have started; returns those.

    Args:
        watch: the pods.
        wanted: how many of them.
        timeout_s: longest wait in seconds.
        api: the cluster's, for the explanation of a failure.
        what: what the pods are, for messages, as in ``workload sender``.
        started: whether a pod has started.
        name_of: how messages call a pod; ``what`` by default.

    Raises:
        DeployError: a pod has not started; the message says why.
    """

    def settled(pods: list[Any]) -> bool:
        return sum(map(started, pods)) >= wanted or any(map(is_hopeless, pods))

    watch.wait(settled, timeout_s)
    pods = watch.all()
    running = [pod for pod in pods if started(pod)]
    if len(running) >= wanted:
        return running
    failed = sorted((pod for pod in pods if not started(pod)), key=lambda pod: not is_hopeless(pod))
    if not failed:
        raise DeployError(f"{what}: Kubernetes made no pods for it")
    where = f" on {failed[0].spec.node_name}" if failed[0].spec.node_name else ""
    name = name_of(failed[0]) if name_of else what
    raise DeployError(f"{name}{where}: {explain.pod(api, failed[0])}")


def wall_offsets_ns(runtime: Runtime, nodes: Sequence[Node], deployment: Deployment) -> dict[str, int]:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC of nodes whose pods have clocks of their own; empty otherwise."""
    if not runtime.has_own_clock:
        return {}
    ways = {node.name: deployment.connections[node.name] for node in nodes}
    offsets = node_clocks.wall_offsets(ways, {node.name: node.python for node in nodes})
    return {name: one.offset_ns for name, one in offsets.items()}


def follow_replica(
    process: PodProcess,
    workload: str,
    number: int,
    folder: PurePosixPath,
    deployment: Deployment,
    run: Run,
    begin_s: float,
    *,
    container: str = CONTAINER,
    is_created_here: bool = True,
) -> Replica:
    """The replica that runs in a pod; copies its output into the run's logs from now on.

    Args:
        process: the program in the pod.
        workload: name of its workload.
        number: which replica on its node it is.
        folder: where on its node its start signal and its events are.
        deployment: the nodes.
        run: the run.
        begin_s: when the pod was created, on CLOCK_MONOTONIC.
        container: name of its container.
        is_created_here: whether ``begin_s`` is the best that is known of its creation.
    """
    log = run.directory / "logs" / f"{process.node}-{workload}-{number}.log"
    process.watch.copy_log(process.name, log, lambda: process.poll() is not None, container)
    replica = Replica(
        process.node,
        f"{workload}-{number}",
        folder,
        deployment.connections[process.node],
        process,
        log,
        round(begin_s * 1e9) if is_created_here else None,
    )
    replica.began(begin_s)
    return replica
