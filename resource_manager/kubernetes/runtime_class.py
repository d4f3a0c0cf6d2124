"""The RuntimeClass by which pods of workloads choose their container runtime."""

from __future__ import annotations

from typing import Any

from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.api_retry import call_api
from resource_manager.kubernetes.runtimes import Runtime


def manifest(name: str) -> dict[str, Any]:
    """The RuntimeClass of that name; its handler is containerd's runtime of the same name."""
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": name,
    }


def create(api: Api, runtime: Runtime) -> None:
    """Create the RuntimeClass of a runtime, unless it exists or pods need none.

    Raises:
        DeployError: the API refuses it.
    """
    from kubernetes.client import NodeV1Api

    if name := runtime.runtime_class:
        call_api(
            NodeV1Api(api.core.api_client).create_runtime_class,
            manifest(name),
            what=f"the API refuses the RuntimeClass {name}",
            timeout_scale=api.timeout_scale,
            exists_ok=True,
        )
