"""The client of a cluster's API, which is reached through the connection to its control plane."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.connection.forward import HOST, forward
from continuum.errors import DeployError
from resource_manager.kubernetes import pki
from resource_manager.kubernetes.cluster_nodes import control_plane_of

if TYPE_CHECKING:
    from continuum.rundir.run import Run

PORT = 6443
KUBECONFIG = "kubeconfig"
ADMIN = "/etc/kubernetes/admin.conf"
_TIMEOUT_S = 30.0
_NAME = "kubernetes"
"""A name that the API's certificate always has."""

MISSING = (
    "resource managers on Kubernetes need the Python package kubernetes, which is not installed;"
    ' run: pip install "continuum-bench[kubernetes]"'
)


@dataclass(frozen=True)
class Api:
    """The parts of the API that are used.

    Attributes:
        core: pods, nodes, events.
        apps: deployments.
        batch: jobs.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.
    """

    core: Any
    apps: Any
    batch: Any
    timeout_scale: float = 1.0


def fetch_kubeconfig(connection: Connection, run: Run) -> Path:
    """Copy the administrator's kubeconfig from the control plane; returns its path in the run's folder.

    Its server is this machine's loopback, where ``continuum forward`` makes the API available.
    """
    text = connection.run(["cat", ADMIN], timeout=_TIMEOUT_S).stdout
    text = re.sub(r"^(\s*server:).*$", rf"\1 https://{HOST}:{PORT}", text, flags=re.MULTILINE)
    path = pki.folder(run) / KUBECONFIG
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@contextmanager
def connect(deployment: Deployment, run: Run) -> Iterator[Api]:
    """The API of a run's cluster, reached through the connection to its control plane, within the context."""
    with forward(deployment.connections[control_plane_of(deployment)], PORT) as port:
        yield open_api(pki.folder(run) / KUBECONFIG, port, deployment.timeout_scale)


def open_api(kubeconfig: Path, port: int, timeout_scale: float = 1.0) -> Api:
    """The API behind a forwarded port of this machine."""
    import kubernetes.client as library

    text = kubeconfig.read_text(encoding="utf-8")
    folder = kubeconfig.parent
    configuration = library.Configuration()
    configuration.host = f"https://{HOST}:{port}"
    configuration.tls_server_name = _NAME
    configuration.proxy = None
    configuration.retries = False
    configuration.ssl_ca_cert = _secret(folder / "api-ca.crt", text, "certificate-authority-data")
    configuration.cert_file = _secret(folder / "admin.crt", text, "client-certificate-data")
    configuration.key_file = _secret(folder / "admin.key", text, "client-key-data")
    client = library.ApiClient(configuration)
    return Api(
        library.CoreV1Api(client), library.AppsV1Api(client), library.BatchV1Api(client), timeout_scale
    )


def _secret(path: Path, text: str, key: str) -> str:
    """Write one of the secrets in a kubeconfig to a file; returns its path."""
    found = re.search(rf"^\s*{key}:\s*(\S+)", text, re.MULTILINE)
    if found is None:
        raise DeployError(f"the kubeconfig has no {key}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64decode(found[1]))
    return str(path)
