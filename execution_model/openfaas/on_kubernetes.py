"""OpenFaaS on Kubernetes: gateway and provider in the cluster, functions deployed by the gateway's API."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.model.topology import Topology
from continuum.model.workload import Workload
from continuum.modules.job import Job
from continuum.modules.plan import Plan
from continuum.rundir.run import Run
from continuum.sdk import protocol
from continuum.sdk.http_front import Front
from continuum.software import artifacts, oci
from continuum.software.artifacts import Artifact
from continuum.software.packages.store import cache_folder
from execution_model.openfaas import clock_offsets, openfaas_manifests, ports, single_node
from execution_model.openfaas.gateway_api import GatewayApi
from execution_model.openfaas.openfaas_manifests import FUNCTION_LABEL, Function
from resource_manager.kubernetes.api import (
    NAMESPACE,
    OUTSIDE,
    TIER_LABEL,
    Api,
    Delivery,
    PodJob,
    PodProcess,
    PodWatch,
    build_image,
    call_api,
    chosen_runtime,
    connect,
    control_plane_of,
    follow_replica,
    is_ready,
    node_transfer,
    pod_spec,
    put_image,
    record_delivery,
    share_of,
    wait_started,
    wall_offsets_ns,
)
from resource_manager.none.direct_job import Replica

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.software.oci.workload import WorkloadImage

READY_TIMEOUT_S = 120.0
WARM_REQUESTS = 10
COLD_STARTS = "cold_starts"
"""Table of a run: how long the first request after scaling to zero took."""

_WATCHDOG = "/usr/bin/fwatchdog"
_REQUEST_TIMEOUT_S = 30.0
_DELETE_TIMEOUT_S = 10.0


def arrange(workloads: Sequence[Workload], topology: Topology, stage: str) -> tuple[Workload, ...]:
    """Workers become functions; all other workloads get the address of the gateway. Pure."""
    function = next((workload for workload in workloads if workload.answers_http), None)
    if function is None:
        return tuple(workloads)
    node = gateway_node(function, topology)
    address = {protocol.ENV_ADDRESS: f"http://{node}:{ports.GATEWAY}/function/{function.name}"}
    settings = {
        **single_node.watchdog_environment(function.ports[0], openfaas_manifests.FUNCTION_PORT),
        **Front(stage, single_node.START_TIME).to_environment(),
    }
    del settings["suppress_lock"]  # the lock file is what the watchdog's health check tests
    return tuple(
        replace(one, environment={**one.environment, **(settings if one is function else address)})
        for one in workloads
    )


def gateway_node(function: Workload, topology: Topology) -> str:
    """The node of the gateway: the first of those that may run the function."""
    nodes = topology.nodes_of(function.tier)
    return next(node.name for node in nodes if not function.nodes or node.name in function.nodes)


def replicas(config: Config, function: Workload, topology: Topology) -> int:
    """Number of pods of the function: ``openfaas_replicas``, or one for each worker there would be."""
    given = config.execution_model.maybe_integer("openfaas_replicas")
    return given or len(topology.nodes_of(function.tier)) * function.replicas_per_node


def install(deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact]) -> None:
    """Start the gateway and its provider on their node, and wait until they are ready.

    Raises:
        DeployError: the API refuses them, or they do not become ready.
    """
    node = _place(plan)
    run.own("openfaas", node)
    wanted = [one for one in needed if one.name in (openfaas_manifests.GATEWAY, openfaas_manifests.PROVIDER)]
    paths = artifacts.resolve(wanted, run.config, run.tell)
    archives = [paths[one.name] for one in wanted]
    node_transfer.images(deployment.connections[node], archives, timeout_scale=deployment.timeout_scale)
    references = {one.name: oci.references(paths[one.name])[0] for one in wanted}
    with connect(deployment, run) as api:
        _create_gateway(api, node, references)
        _gateway_address(api, node)


def _place(plan: Plan) -> str:
    """The node of the gateway; without an application, the first worker of the cluster."""
    for workload in plan.workloads:
        if workload.answers_http:
            return gateway_node(workload, plan.offered)
    return next(node.name for node in plan.offered.nodes if node.tier != OUTSIDE)


def _create_gateway(api: Api, node: str, references: Mapping[str, str]) -> None:
    from kubernetes.client import RbacAuthorizationV1Api

    rights = RbacAuthorizationV1Api(api.core.api_client)
    steps: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = (
        (api.core.create_namespaced_service_account, openfaas_manifests.service_account()),
        (rights.create_namespaced_role, openfaas_manifests.role()),
        (rights.create_namespaced_role_binding, openfaas_manifests.role_binding(NAMESPACE)),
        (api.core.create_namespaced_pod, openfaas_manifests.gateway_pod(node, references, NAMESPACE)),
    )
    for create, body in steps:
        call_api(
            create,
            NAMESPACE,
            body,
            what="OpenFaaS: the cluster's API refuses it",
            timeout_scale=api.timeout_scale,
            exists_ok=True,
        )


def _gateway_address(api: Api, node: str) -> str:
    """Address of the gateway's pod, once it is ready; DeployError says why it is not."""
    watch = PodWatch(api, f"app={openfaas_manifests.GATEWAY}")
    try:
        what, limit_s = "OpenFaaS's gateway", READY_TIMEOUT_S * api.timeout_scale
        (pod, *_) = wait_started(watch, 1, limit_s, api, what, started=is_ready)
    finally:
        watch.close()
    if not pod.status.pod_ip:
        raise DeployError(f"OpenFaaS's gateway on {node}: its pod is Ready but has no address")
    return str(pod.status.pod_ip)


def start_function(
    workload: Workload, deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact]
) -> Job:
    """Deploy a function through the gateway and wait for its pods."""
    with ExitStack() as stack:
        api = stack.enter_context(connect(deployment, run))
        job = _FunctionStart(workload, deployment, plan.offered, run, api).job(needed)
        job.keep(stack.pop_all())
    return job


def _call(gateway: GatewayApi, function: Function) -> float:
    """Seconds until the function answers an empty request."""
    path = f"/function/{function.name}"
    return gateway.ask("GET", path, wanted=(200,), timeout_s=READY_TIMEOUT_S, once=False).seconds


def _scale(gateway: GatewayApi, function: Function, replicas: int) -> None:
    """Let the gateway scale a function."""
    body = {"serviceName": function.name, "replicas": replicas}
    gateway.ask("POST", f"/system/scale-function/{function.name}", body)


class _FunctionStart:
    """One function that is being started.

    Args:
        workload: the function.
        deployment: all nodes.
        offered: the nodes that may run functions.
        run: the run.
        api: the cluster's.
    """

    def __init__(
        self, workload: Workload, deployment: Deployment, offered: Topology, run: Run, api: Api
    ) -> None:
        self.workload, self.deployment, self.offered = workload, deployment, offered
        self.run, self.api = run, api
        self.places = [deployment.node(spec.name) for spec in offered.nodes_of(workload.tier)]
        self.replicas = replicas(run.config, workload, offered)
        self.runtime = chosen_runtime(run.config)

    def job(self, needed: Sequence[Artifact]) -> PodJob:
        """Deliver the image, deploy the function and wait for its pods; returns their job."""
        node = gateway_node(self.workload, self.offered)
        python = self.deployment.node(node).python
        gateway = GatewayApi(self.deployment.connections[node], _gateway_address(self.api, node), python)
        function, delivery = self._function(needed)
        watch = PodWatch(self.api, f"{FUNCTION_LABEL}={function.name}")
        try:
            self._deploy(gateway, function, watch)
            self._start_cold(gateway, function, watch)
            begin_s = time.monotonic()
            _scale(gateway, function, function.replicas)
            what, limit_s = f"function {function.name}", READY_TIMEOUT_S * self.api.timeout_scale
            running = wait_started(watch, self.replicas, limit_s, self.api, what, started=is_ready)
        except BaseException:
            watch.close()
            self._remove(function.name)
            raise
        numbers: Counter[str] = Counter()
        made = [self._replica(pod, watch, begin_s, numbers) for pod in running]

        def on_ready() -> None:
            record_delivery(self.run, self.workload, delivery, made)

        return PodJob(self.workload, made, on_ready, watch, control_plane_of(self.deployment))

    def _function(self, needed: Sequence[Artifact]) -> tuple[Function, Delivery]:
        """The function, with its image on the nodes."""
        image = build_image(self.workload, self.run)
        reference, delivery = self._deliver(image, needed)
        words = [image.python if word == "{python}" else word for word in self.workload.argv]
        environment = {
            **self.workload.environment,
            **self._front(),
            protocol.ENV_WORKLOAD: self.workload.name,
            protocol.ENV_REPLICA: "0",
            protocol.ENV_RUN: self.run.id,
            protocol.ENV_FOLDER: pod_spec.MOUNTED,
            **pod_spec.clocks(wall_offsets_ns(self.runtime, self.places, self.deployment)),
            "PYTHONUNBUFFERED": "1",
        }
        function = Function(
            self.workload.name,
            reference,
            " ".join(words),
            environment,
            self.replicas,
            self.workload.tier,
            pod_spec.resources(share_of(self.api, self.workload, self.places)),
        )
        return function, delivery

    def _deliver(self, image: WorkloadImage, needed: Sequence[Artifact]) -> tuple[str, Delivery]:
        """Add the watchdog to the image and put it onto the nodes; returns its reference."""
        watchdog = single_node.program(single_node.WATCHDOG_FILE, needed, self.run)
        folder = cache_folder() / "images"
        reference = f"{image.reference}-openfaas"
        path = folder / "functions" / f"{reference.rpartition('/')[2].replace(':', '-')}.tar"
        layer = oci.from_files({_WATCHDOG: watchdog}, folder)
        oci.write(path, reference, [layer], oci.ImageConfig(entrypoint=(_WATCHDOG,)), base=image.path)
        begin_s = time.monotonic()
        put_image(path, [place.name for place in self.places], self.deployment)
        delivery = Delivery(image.build_s, time.monotonic() - begin_s, path.stat().st_size / 2**20)
        path.unlink()
        return reference, delivery

    def _front(self) -> dict[str, str]:
        """Environment that tells the function of the gateway before it, and how their clocks differ."""
        front = Front(**json.loads(self.workload.environment[protocol.ENV_FRONT]))
        nodes = {place.name: place for place in self.places}
        python = {name: node.python for name, node in nodes.items()}
        ways = {name: self.deployment.connections[name] for name in nodes}
        ahead = clock_offsets.measure(ways, gateway_node(self.workload, self.offered), python)
        if ahead.by_node_ns:
            self.run.note(
                f"functions on {', '.join(ahead.by_node_ns)} have another clock than the gateway: there the"
                f" stage {front.stage} has an error of up to {ahead.error_ns / 1e6:.2f} ms, and uplink the"
                " opposite one"
            )
        return replace(front, ahead_ns=ahead.by_node_ns).to_environment()

    def _deploy(self, gateway: GatewayApi, function: Function, watch: PodWatch) -> None:
        """Deploy the function and scale it to zero."""
        gateway.ask("POST", "/system/functions", openfaas_manifests.deployment(function, TIER_LABEL))
        call_api(
            self.api.apps.patch_namespaced_deployment,
            function.name,
            NAMESPACE,
            openfaas_manifests.addition(
                function,
                str(pod_spec.FOLDERS),
                pod_spec.MOUNTED,
                pod_spec.GRACE_S,
                self.runtime.runtime_class,
            ),
            what=f"function {function.name}: the cluster's API refuses it",
            timeout_scale=self.api.timeout_scale,
        )
        self._wait_gone(watch)

    def _wait_gone(self, watch: PodWatch) -> None:
        if not watch.wait(lambda pods: not pods, READY_TIMEOUT_S * self.api.timeout_scale):
            raise DeployError(f"function {self.workload.name}: its pods do not end when scaled to zero")

    def _start_cold(self, gateway: GatewayApi, function: Function, watch: PodWatch) -> None:
        """Scale from zero by one request, as often as configured; then send the same requests warm."""
        wanted = self.run.config.execution_model.integer("openfaas_cold_starts")
        cold_s, warm_s = [], []
        for _ in range(wanted):
            cold_s.append(_call(gateway, function))
            warm_s += [_call(gateway, function) for _ in range(WARM_REQUESTS)]
            _scale(gateway, function, 0)
            self._wait_gone(watch)
        if not wanted:
            return
        self.run.record(COLD_STARTS, function=function.name, cold_s=cold_s, warm_s=warm_s)
        self.run.note(
            f"function {function.name}, scaled from zero {wanted} times: the first answer took"
            f" {statistics.median(cold_s):.2f} s (median; {min(cold_s):.2f} to {max(cold_s):.2f} s), a warm"
            f" one {1000 * statistics.median(warm_s):.1f} ms; requests without a frame, sent on the gateway's"
            " node before the benchmark"
        )

    def _replica(self, pod: Any, watch: PodWatch, begin_s: float, numbers: Counter[str]) -> Replica:
        node, name = pod.spec.node_name, pod.metadata.name
        number = numbers[node]
        numbers[node] += 1
        process = PodProcess(watch, name, node, self.api, partial(self._remove, self.workload.name))
        return follow_replica(
            process,
            self.workload.name,
            number,
            PurePosixPath(pod_spec.FOLDERS / name),
            self.deployment,
            self.run,
            begin_s,
            container=self.workload.name,
        )

    def _remove(self, name: str) -> None:
        """Delete what keeps the pods running; harmless when repeated."""
        with contextlib.suppress(Exception):  # it does not exist, or the API is gone, which others report
            self.api.apps.delete_namespaced_deployment(
                name, NAMESPACE, propagation_policy="Background", _request_timeout=_DELETE_TIMEOUT_S
            )
            self.api.core.delete_namespaced_service(name, NAMESPACE, _request_timeout=_DELETE_TIMEOUT_S)
