"""OpenFaaS on Kubernetes: manifests of the gateway, and bodies of requests to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from continuum.sdk import protocol
from execution_model.openfaas import ports

GATEWAY: Final = "gateway"
PROVIDER: Final = "faas-netes"
PROVIDER_PORT: Final = 8081
FUNCTION_PORT: Final = 8080
"""Port at which the provider expects every function's watchdog."""

FUNCTION_LABEL: Final = "faas_function"
"""Label that the provider gives a function's pods."""

LONGEST: Final = "600s"
_RULES: Final = (
    (("apps",), ("deployments",), ("get", "list", "watch", "create", "delete", "update")),
    (("",), ("services",), ("get", "list", "watch", "create", "delete", "update")),
    (("",), ("endpoints", "pods", "pods/log", "secrets", "namespaces"), ("get", "list", "watch")),
)


def service_account() -> dict[str, Any]:
    """The provider's service account."""
    return {"metadata": {"name": PROVIDER}}


def role() -> dict[str, Any]:
    """What the provider may do, in the namespace of functions alone."""
    rules = [
        {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}
        for groups, resources, verbs in _RULES
    ]
    return {"metadata": {"name": PROVIDER}, "rules": rules}


def role_binding(namespace: str) -> dict[str, Any]:
    """That the provider has this role."""
    return {
        "metadata": {"name": PROVIDER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PROVIDER},
        "subjects": [{"kind": "ServiceAccount", "name": PROVIDER, "namespace": namespace}],
    }


def gateway_pod(node: str, images: Mapping[str, str], namespace: str) -> dict[str, Any]:
    """The gateway and its provider, at a port of a node.

    Args:
        node: which one.
        images: reference of each image, by the name of its artifact.
        namespace: of functions.
    """
    timeouts = {"read_timeout": LONGEST, "write_timeout": LONGEST}
    gateway = {
        **timeouts,
        "upstream_timeout": LONGEST,
        "functions_provider_url": f"http://127.0.0.1:{PROVIDER_PORT}/",
        "function_namespace": namespace,
        "scale_from_zero": "true",
    }
    provider = {
        **timeouts,
        "port": str(PROVIDER_PORT),
        "function_namespace": namespace,
        "image_pull_policy": "Never",
        "http_probe": "true",
        "readiness_probe_initial_delay_seconds": "0",
        "readiness_probe_period_seconds": "1",
        "liveness_probe_period_seconds": "10",
    }
    return {
        "metadata": {"name": GATEWAY, "labels": {"app": GATEWAY}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "serviceAccountName": PROVIDER,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    **_container(GATEWAY, images[GATEWAY], gateway),
                    "ports": [{"containerPort": ports.GATEWAY, "hostPort": ports.GATEWAY}],
                    "readinessProbe": {
                        "httpGet": {"path": "/healthz", "port": ports.GATEWAY},
                        "periodSeconds": 1,
                    },
                },
                _container(PROVIDER, images[PROVIDER], provider),
            ],
        },
    }


def _container(name: str, image: str, environment: Mapping[str, str]) -> dict[str, Any]:
    env = [{"name": key, "value": value} for key, value in environment.items()]
    return {"name": name, "image": image, "imagePullPolicy": "Never", "env": env}


@dataclass(frozen=True)
class Function:
    """A function as the gateway's API describes it.

    Attributes:
        name: its name.
        image: its image, which starts with the watchdog.
        command: what the watchdog starts, one line.
        environment: variables.
        replicas: number of its pods.
        tier: tier of nodes it may run on.
        resources: requests and limits in Kubernetes' format.
    """

    name: str
    image: str
    command: str
    environment: Mapping[str, str]
    replicas: int
    tier: str
    resources: Mapping[str, Mapping[str, str]]


def deployment(function: Function, tier_label: str) -> dict[str, Any]:
    """The body of a request that deploys a function."""
    return {
        "service": function.name,
        "image": function.image,
        "envProcess": function.command,
        "envVars": dict(function.environment),
        "labels": {"com.openfaas.scale.min": str(function.replicas)},
        "constraints": [f"{tier_label}={function.tier}"],
        "limits": dict(function.resources.get("limits", {})),
        "requests": dict(function.resources.get("requests", {})),
    }


def addition(
    function: Function, folders: str, mounted: str, grace_s: int, runtime_class: str = ""
) -> dict[str, Any]:
    """A patch of the function's Deployment with what OpenFaaS's API has no fields for.

    Each pod gets its node's name, a folder on the node for its events, and the container runtime; pods spread
    over all nodes. The Deployment is scaled to zero, so that no pod without these remains.

    Args:
        function: the function.
        folders: folder on nodes in which each pod has its own.
        mounted: where a pod finds that folder.
        grace_s: seconds between SIGTERM and SIGKILL.
        runtime_class: RuntimeClass of the pods; empty for the cluster's default.
    """
    variables = {protocol.ENV_NODE: "spec.nodeName", protocol.ENV_POD: "metadata.name"}
    container = {
        "name": function.name,
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in variables.items()
        ],
        "volumeMounts": [{"name": "folder", "mountPath": mounted, "subPathExpr": f"$({protocol.ENV_POD})"}],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {FUNCTION_LABEL: function.name}},
    }
    pod = {
        **({"runtimeClassName": runtime_class} if runtime_class else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s,
        "topologySpreadConstraints": [spread],
        "containers": [container],
        "volumes": [{"name": "folder", "hostPath": {"path": folders, "type": "DirectoryOrCreate"}}],
    }
    return {"spec": {"replicas": 0, "template": {"spec": pod}}}
