"""Monitoring: Prometheus on the control plane, whose series are written to the run's folder."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.connection.forward import HOST, forward
from continuum.errors import DeployError
from continuum.rundir import node_metrics
from continuum.rundir.node_metrics import Series
from continuum.rundir.run import Run
from continuum.software import playbooks
from resource_manager.kubernetes.cluster_nodes import Member

HERE = Path(__file__).parent
PORT = 9090
INTERVAL_S = 2
READY_TIMEOUT_S = 60.0
SINCE = "observed_since"
"""Entry of the run's state: when monitoring began, in seconds since 1970."""

_ASK_TIMEOUT_S = 30.0
_WINDOW = f"{5 * INTERVAL_S}s"
_NETWORK = 'sum by (node) (rate(container_network_{}_bytes_total{{id="/",interface="eth0"}}[{}])) * 8 / 1e6'
QUERIES = (
    ("CPU", "cores", f'sum by (node) (rate(container_cpu_usage_seconds_total{{id="/"}}[{_WINDOW}]))'),
    ("memory", "MiB", 'sum by (node) (container_memory_working_set_bytes{id="/"}) / 1048576'),
    ("received", "Mbit/s", _NETWORK.format("receive", _WINDOW)),
    ("sent", "Mbit/s", _NETWORK.format("transmit", _WINDOW)),
)
"""Metric, unit and query; the kubelets' figures cover a node's share of its host."""


def install(deployment: Deployment, run: Run, members: Sequence[Member], group: str) -> None:
    """Install and start monitoring, and wait until Prometheus is ready.

    Raises:
        DeployError: it is not ready in time.
    """
    names = [member.name for member in members]
    playbooks.play(
        HERE / "playbooks" / "observe.yml",
        deployment,
        run,
        nodes=names,
        groups={group: names},
        of_node={member.name: {"kube_observes": member.is_control_plane} for member in members},
    )
    deadline = time.monotonic() + READY_TIMEOUT_S * deployment.timeout_scale
    with forward(deployment.connections[members[0].name], PORT) as port:
        while True:
            try:
                _get(port, "/-/ready")
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise DeployError(
                        f"{members[0].name}: Prometheus does not answer: {error};"
                        " its log is /var/log/prometheus.log there"
                    ) from error
                time.sleep(0.2)
    run.update_state(**{SINCE: time.time()})


def collect(connection: Connection, run: Run) -> Path:
    """Keep what was observed so far with the run; returns the file.

    Raises:
        DeployError: Prometheus does not answer.
    """
    since = float(run.state()[SINCE])
    try:
        with forward(connection, PORT) as port:
            return node_metrics.write(run.directory, list(_series(port, since, time.time())))
    except OSError as error:
        raise DeployError(f"{connection.node}: Prometheus does not answer: {error}") from error


def _series(port: int, since: float, until: float) -> Iterator[Series]:
    for metric, unit, query in QUERIES:
        chosen = {"query": query, "start": since, "end": until, "step": INTERVAL_S}
        answer = json.loads(_get(port, f"/api/v1/query_range?{urllib.parse.urlencode(chosen)}"))
        yield from parse(metric, unit, answer, since)


def parse(metric: str, unit: str, answer: dict[str, Any], since: float) -> Iterator[Series]:
    """The series in an answer of Prometheus; pure."""
    for one in answer["data"]["result"]:
        points = tuple((round(at - since, 3), float(value)) for at, value in one["values"])
        yield Series(metric, unit, one["metric"]["node"], points)


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=_ASK_TIMEOUT_S) as answer:
        data: bytes = answer.read()
        return data
