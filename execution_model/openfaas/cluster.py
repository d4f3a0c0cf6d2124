"""OpenFaaS on Kubernetes: gateway and provider in the cluster, functions deployed by the gateway's API."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from continuum.connection.deployment import Deployment
from continuum.connection.forward import forward
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
from execution_model.openfaas import clocks, manifests, ports, single_node
from execution_model.openfaas.gateway_api import GatewayApi
from execution_model.openfaas.manifests import FUNCTION_LABEL, Function
from resource_manager.kubernetes import client, cluster_nodes, explain, pki, pods, submit, transfer
from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.follow import Pods
from resource_manager.kubernetes.job import PodJob, PodProcess
from resource_manager.none.job import Replica

if TYPE_CHECKING:
    from continuum.model.config import Config

READY_TIMEOUT_S = 120.0
WARM_REQUESTS = 10
COLD_STARTS = "cold_starts"
"""Table of a run: how long the first request after a scale to zero took."""

_WATCHDOG = "/usr/bin/fwatchdog"
_REQUEST_TIMEOUT_S = 30.0


def arrange(workloads: Sequence[Workload], topology: Topology, stage: str) -> tuple[Workload, ...]:
    """Functions in the workers' stead, everybody else told of the one gateway; pure."""
    function = next((workload for workload in workloads if workload.answers_http), None)
    if function is None:
        return tuple(workloads)
    node = gateway_node(function, topology)
    address = {protocol.ENV_ADDRESS: f"http://{node}:{ports.GATEWAY}/function/{function.name}"}
    settings = {
        **single_node.watchdog_environment(function.ports[0], manifests.FUNCTION_PORT),
        **Front(stage, single_node.START_TIME).to_environment(),
    }
    del settings["suppress_lock"]  # its health is asked for
    return tuple(
        replace(one, environment={**one.environment, **(settings if one is function else address)})
        for one in workloads
    )


def gateway_node(function: Workload, topology: Topology) -> str:
    """The node the gateway runs on: the first of those that may run the function."""
    nodes = topology.nodes_of(function.tier)
    return next(node.name for node in nodes if not function.nodes or node.name in function.nodes)


def replicas(config: Config, function: Workload, topology: Topology) -> int:
    """Pods of the function: as the config says, else as many as there would be workers."""
    given = config.execution_model.maybe_integer("openfaas_replicas")
    return given or len(topology.nodes_of(function.tier)) * function.replicas_per_node


def install(deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact]) -> None:
    """Bring the gateway and its provider up on their node."""
    node = _place(plan)
    run.own("openfaas", node)
    wanted = [one for one in needed if one.name in (manifests.GATEWAY, manifests.PROVIDER)]
    paths = artifacts.obtain(wanted, run.config, run.tell)
    archives = [paths[one.name] for one in wanted]
    transfer.images(deployment.connections[node], archives, timeout_scale=deployment.timeout_scale)
    references = {one.name: oci.references(paths[one.name])[0] for one in wanted}
    with _api(deployment, run) as api:
        _create_gateway(api, node, references)
        _gateway_address(api, node)


def _place(plan: Plan) -> str:
    """The node for the gateway; the first worker of the cluster where no application is to run."""
    for workload in plan.workloads:
        if workload.answers_http:
            return gateway_node(workload, plan.offered)
    return next(node.name for node in plan.offered.nodes if node.tier != cluster_nodes.OUTSIDE)


@contextmanager
def _api(deployment: Deployment, run: Run) -> Iterator[Api]:
    control_plane = cluster_nodes.members(deployment.nodes, shape_management=False)[0].name
    with client.connect(deployment.connections[control_plane], pki.folder(run) / client.KUBECONFIG) as api:
        yield api


def _create_gateway(api: Api, node: str, references: Mapping[str, str]) -> None:
    from kubernetes.client import ApiException, RbacAuthorizationV1Api

    rights = RbacAuthorizationV1Api(api.core.api_client)
    space = pods.NAMESPACE
    steps: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = (
        (api.core.create_namespaced_service_account, manifests.service_account()),
        (rights.create_namespaced_role, manifests.role()),
        (rights.create_namespaced_role_binding, manifests.role_binding(space)),
        (api.core.create_namespaced_pod, manifests.gateway_pod(node, references, space)),
    )
    for create, body in steps:
        try:
            create(space, body, _request_timeout=_REQUEST_TIMEOUT_S)
        except ApiException as error:
            if error.status != 409:  # it is there: a second installation changes nothing
                raise DeployError(f"OpenFaaS: the cluster's API refuses it: {error.body}") from error


def _gateway_address(api: Api, node: str) -> str:
    """Address of the gateway's pod, once it is ready; DeployError says why it is not."""
    with _followed(api, f"app={manifests.GATEWAY}") as followed:
        if not followed.wait(lambda there: any(map(_is_ready, there)), READY_TIMEOUT_S):
            there = followed.all()
            why = explain.pod(api, there[0]) if there else "Kubernetes made no pod for it"
            raise DeployError(f"OpenFaaS's gateway on {node}: {why}")
        return str(next(one for one in followed.all() if _is_ready(one)).status.pod_ip)


@contextmanager
def _followed(api: Api, selector: str) -> Iterator[Pods]:
    followed = Pods(api, selector)
    try:
        yield followed
    finally:
        followed.close()


def _is_ready(pod: Any) -> bool:
    conditions = pod.status.conditions or ()
    return pod.metadata.deletion_timestamp is None and any(
        one.type == "Ready" and one.status == "True" for one in conditions
    )


def start_function(
    workload: Workload, deployment: Deployment, plan: Plan, run: Run, needed: Sequence[Artifact]
) -> Job:
    """Deploy a function through the gateway and wait for its pods."""
    control_plane = cluster_nodes.members(deployment.nodes, shape_management=False)[0].name
    with ExitStack() as stack:
        port = stack.enter_context(forward(deployment.connections[control_plane], client.PORT))
        api = client.open_api(pki.folder(run) / client.KUBECONFIG, port)
        job = _Start(workload, deployment, plan.offered, run, api, control_plane).job(needed)
        job.keep(stack.pop_all())
    return job


def _call(gateway: GatewayApi, function: Function) -> float:
    """Seconds until the function answers a request without content."""
    path = f"/function/{function.name}"
    return gateway.ask("GET", path, wanted=(200,), timeout_s=READY_TIMEOUT_S, once=False).seconds


def _scale(gateway: GatewayApi, function: Function, replicas: int) -> None:
    """Have the gateway scale a function."""
    body = {"serviceName": function.name, "replicas": replicas}
    gateway.ask("POST", f"/system/scale-function/{function.name}", body)


class _Start:
    """One function on its way."""

    def __init__(
        self,
        workload: Workload,
        deployment: Deployment,
        offered: Topology,
        run: Run,
        api: Api,
        control_plane: str,
    ) -> None:
        self.workload, self.deployment, self.run, self.api = workload, deployment, run, api
        self.control_plane = control_plane
        self.offered = offered
        self.places = [deployment.node(spec.name) for spec in self.offered.nodes_of(workload.tier)]
        self.replicas = replicas(run.config, workload, self.offered)
        self.delivery: dict[str, float] = {}

    def job(self, needed: Sequence[Artifact]) -> PodJob:
        """Image, function, cold starts, pods."""
        node = gateway_node(self.workload, self.offered)
        python = self.deployment.node(node).python
        gateway = GatewayApi(self.deployment.connections[node], _gateway_address(self.api, node), python)
        function = self._function(needed)
        followed = Pods(self.api, f"{FUNCTION_LABEL}={function.name}")
        try:
            self._deploy(gateway, function, followed)
            self._start_cold(gateway, function, followed)
            begin = time.monotonic()
            _scale(gateway, function, function.replicas)
            running = self._wait(followed)
        except BaseException:
            followed.close()
            self._remove(function.name)
            raise
        numbers: Counter[str] = Counter()
        made = [self._replica(pod, followed, begin, numbers) for pod in running]
        return PodJob(self.workload, made, lambda: self._record(made), followed, self.control_plane)

    def _function(self, needed: Sequence[Artifact]) -> Function:
        """The function, its image on the nodes."""
        image = submit.prepare(self.workload, self.run)
        watchdog = single_node.program(single_node.WATCHDOG_FILE, needed, self.run)
        folder = cache_folder() / "images"
        reference = f"{image.reference}-openfaas"
        path = folder / "functions" / f"{reference.rpartition('/')[2].replace(':', '-')}.tar"
        layer = oci.from_files({_WATCHDOG: watchdog}, folder)
        oci.write(path, reference, [layer], oci.ImageConfig(entrypoint=(_WATCHDOG,)), base=image.path)
        begin = time.monotonic()
        submit.put(path, [place.name for place in self.places], self.deployment)
        self.delivery = {
            "build_s": image.build_s,
            "copy_s": time.monotonic() - begin,
            "install_s": 0.0,
            "copied_mb": path.stat().st_size / 2**20,
        }
        path.unlink()
        words = [image.python if word == "{python}" else word for word in self.workload.argv]
        environment = {
            **self.workload.environment,
            **self._front(),
            protocol.ENV_WORKLOAD: self.workload.name,
            protocol.ENV_REPLICA: "0",
            protocol.ENV_RUN: self.run.id,
            protocol.ENV_FOLDER: pods.MOUNTED,
            "PYTHONUNBUFFERED": "1",
        }
        there = self.api.core.list_node(_request_timeout=_REQUEST_TIMEOUT_S).items
        share = submit.share_of(there, self.workload, self.places)
        return Function(
            self.workload.name,
            reference,
            " ".join(words),
            environment,
            self.replicas,
            self.workload.tier,
            pods.resources(share),
        )

    def _front(self) -> dict[str, str]:
        """What stands before the function, with the clocks of its nodes compared to the gateway's."""
        front = Front(**json.loads(self.workload.environment[protocol.ENV_FRONT]))
        nodes = {place.name: place for place in self.places}
        python = {name: node.python for name, node in nodes.items()}
        ways = {name: self.deployment.connections[name] for name in nodes}
        ahead = clocks.measure(ways, gateway_node(self.workload, self.offered), python)
        if ahead.by_node_ns:
            self.run.note(
                f"the gateway's clock is another than those of functions on {', '.join(ahead.by_node_ns)}:"
                f" the stage {front.stage} has an error of up to {ahead.error_ns / 1e6:.2f} ms there, which"
                " uplink has the other way round"
            )
        return replace(front, ahead_ns=ahead.by_node_ns).to_environment()

    def _deploy(self, gateway: GatewayApi, function: Function, followed: Pods) -> None:
        """Deploy it, scaled to zero."""
        gateway.ask("POST", "/system/functions", manifests.deployment(function, cluster_nodes.TIER_LABEL))
        self.api.apps.patch_namespaced_deployment(
            function.name,
            pods.NAMESPACE,
            manifests.addition(function, str(pods.FOLDERS), pods.MOUNTED, pods.GRACE_S),
            _request_timeout=_REQUEST_TIMEOUT_S,
        )
        self._wait_gone(followed)

    def _wait_gone(self, followed: Pods) -> None:
        if not followed.wait(lambda there: not there, READY_TIMEOUT_S):
            raise DeployError(f"function {self.workload.name}: its pods do not end when scaled to zero")

    def _start_cold(self, gateway: GatewayApi, function: Function, followed: Pods) -> None:
        """Scale from zero as often as wanted, by one request each; then the same requests warm."""
        wanted = self.run.config.execution_model.integer("openfaas_cold_starts")
        cold_s, warm_s = [], []
        for _ in range(wanted):
            cold_s.append(_call(gateway, function))
            warm_s += [_call(gateway, function) for _ in range(WARM_REQUESTS)]
            _scale(gateway, function, 0)
            self._wait_gone(followed)
        if not wanted:
            return
        self.run.record(COLD_STARTS, function=function.name, cold_s=cold_s, warm_s=warm_s)
        self.run.note(
            f"function {function.name}, scaled from zero {wanted} times: the first answer took"
            f" {statistics.median(cold_s):.2f} s (median; {min(cold_s):.2f} to {max(cold_s):.2f} s), one by a"
            f" function that is there {1000 * statistics.median(warm_s):.1f} ms; asked for on the gateway's"
            " node, without a frame, apart from the benchmark"
        )

    def _wait(self, followed: Pods) -> list[Any]:
        """Wait until every pod runs; DeployError says why one does not."""

        def settled(there: list[Any]) -> bool:
            return sum(map(_is_ready, there)) >= self.replicas or any(map(submit.is_hopeless, there))

        followed.wait(settled, READY_TIMEOUT_S)
        running = [one for one in followed.all() if _is_ready(one)]
        if len(running) >= self.replicas:
            return running
        bad = sorted(
            (one for one in followed.all() if not _is_ready(one)), key=lambda one: not submit.is_hopeless(one)
        )
        if not bad:
            raise DeployError(f"function {self.workload.name}: Kubernetes made no pods for it")
        where = f" on {bad[0].spec.node_name}" if bad[0].spec.node_name else ""
        raise DeployError(f"function {self.workload.name}{where}: {explain.pod(self.api, bad[0])}")

    def _replica(self, pod: Any, followed: Pods, begin: float, numbers: Counter[str]) -> Replica:
        node, name = pod.spec.node_name, pod.metadata.name
        number = numbers[node]
        numbers[node] += 1
        log = self.run.directory / "logs" / f"{node}-{self.workload.name}-{number}.log"
        process = PodProcess(followed, name, node, self.api, partial(self._remove, self.workload.name))
        followed.copy_log(name, log, lambda: process.poll() is not None, self.workload.name)
        replica = Replica(
            node,
            f"{self.workload.name}-{number}",
            PurePosixPath(pods.FOLDERS / name),
            self.deployment.connections[node],
            process,
            log,
            round(begin * 1e9),
        )
        replica.began(begin)
        return replica

    def _record(self, made: Sequence[Replica]) -> None:
        """Keep for the result how long it took to bring the function to its nodes and up."""
        for node, start_s in {replica.node: replica.start_s for replica in made}.items():
            self.run.record(
                "deliveries", node=node, workload=self.workload.name, start_s=start_s, **self.delivery
            )

    def _remove(self, name: str) -> None:
        """Remove what keeps the pods running; harmless when repeated."""
        with contextlib.suppress(Exception):  # it is gone, or the API is, which is told of elsewhere
            self.api.apps.delete_namespaced_deployment(
                name, pods.NAMESPACE, propagation_policy="Background", _request_timeout=10
            )
            self.api.core.delete_namespaced_service(name, pods.NAMESPACE, _request_timeout=10)
