"""OpenFaaS without a cluster: on each node a gateway, a watchdog and its function.

The watchdog is the gateway's provider, which finds the function for a request: there is one function on a
node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from continuum.errors import DeployError, Problem
from continuum.model.workload import Workload
from continuum.sdk import protocol
from continuum.sdk.http_front import Front
from continuum.software import artifacts, oci
from continuum.software.artifacts import Artifact
from continuum.software.packages.store import cache_folder
from execution_model.openfaas import ports

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.rundir.run import Run

NEEDS = "processes"
START_TIME = "X-Start-Time"
"""Header that the gateway adds: when it received the head of the request, in ns since 1970."""

LONGEST = "600s"
"""Time-out of OpenFaaS's programs, longer than that of endpoints, which decides."""

WATCHDOG_FILE: Final = "of-watchdog"
GATEWAY_FILE: Final = "gateway"
#: The artifact that contains each program.
ARTIFACTS: Final = {WATCHDOG_FILE: "of-watchdog", GATEWAY_FILE: "gateway"}
_CODE: Final = "execution_model.openfaas"


def check(config: Config) -> Iterator[Problem]:
    """Keys that only a cluster supports."""
    section = config.execution_model
    for key, what in (
        ("openfaas_replicas", "more than one replica"),
        ("openfaas_cold_starts", "scaling from zero"),
    ):
        if (section.maybe_integer(key) or 0) > (key == "openfaas_replicas"):
            yield section.problem(key, f"{what} requires a cluster; use resource_manager = kubernetes")
    copies = config.benchmark.integer("applications_per_worker")
    if copies > 1:
        message = "without a cluster, OpenFaaS runs one function on a node"
        remedy = "write 1, or use resource_manager = kubernetes"
        yield config.benchmark.problem("applications_per_worker", f"{message}; {remedy}")


def arrange(workloads: Sequence[Workload], stage: str) -> tuple[Workload, ...]:
    """Workers become functions with gateways; all other workloads get the gateways' address."""
    name = next((workload.name for workload in workloads if workload.answers_http), "")
    address = {protocol.ENV_ADDRESS: f"http://{{host}}:{ports.GATEWAY}/function/{name}"}
    return tuple(_arranged(workloads, Front(stage, START_TIME), address))


def _arranged(workloads: Iterable[Workload], front: Front, address: Mapping[str, str]) -> Iterator[Workload]:
    for workload in workloads:
        if workload.answers_http:
            yield function(workload, front)
            yield gateway(workload)
        else:
            yield replace(workload, environment={**workload.environment, **address})


def function(worker: Workload, front: Front) -> Workload:
    """A worker that is started by a watchdog."""
    (port,) = worker.ports
    return replace(
        worker,
        argv=("{python}", "-m", f"{_CODE}.function", *worker.argv),
        environment={**worker.environment, **front.to_environment(), **watchdog_environment(port)},
        code=(*worker.code, _CODE),
        ports=(*worker.ports, ports.WATCHDOG),
    )


def watchdog_environment(port: int, own_port: int = ports.WATCHDOG) -> dict[str, str]:
    """Variables of a watchdog in front of a program that answers HTTP requests.

    Args:
        port: of the program.
        own_port: of the watchdog.
    """
    return {
        "mode": "http",
        "port": str(own_port),
        "upstream_url": f"http://127.0.0.1:{port}",
        "read_timeout": LONGEST,
        "write_timeout": LONGEST,
        "exec_timeout": LONGEST,
        "healthcheck_interval": "0s",  # the watchdog waits this long after SIGTERM
        "suppress_lock": "true",
        "prefix_logs": "false",
    }


def gateway(worker: Workload) -> Workload:
    """The gateway on each of a worker's nodes."""
    settings = {
        "functions_provider_url": f"http://127.0.0.1:{ports.WATCHDOG}/",
        "read_timeout": LONGEST,
        "write_timeout": LONGEST,
        "upstream_timeout": LONGEST,
        "scale_from_zero": "false",
    }
    return Workload(
        name="gateway",
        tier=worker.tier,
        nodes=worker.nodes,
        argv=("{python}", "-m", f"{_CODE}.gateway"),
        environment=settings,
        code=(_CODE,),
        ports=(ports.GATEWAY,),
        serves=True,
    )


def furnish(workload: Workload, needed: Sequence[Artifact], run: Run) -> Workload:
    """A workload, with the program of OpenFaaS that it starts among its files."""
    started = {f"{_CODE}.function": WATCHDOG_FILE, f"{_CODE}.gateway": GATEWAY_FILE}
    name = next((started[word] for word in workload.argv if word in started), "")
    if not name:
        return workload
    return replace(workload, files={**workload.files, name: program(name, needed, run)})


def program(name: str, needed: Sequence[Artifact], run: Run) -> Path:
    """The path on this machine of a program of OpenFaaS, extracted from its published image.

    Raises:
        DeployError: the image is unavailable, or does not contain the program.
    """
    artifact = ARTIFACTS[name]
    wanted = [one for one in needed if one.name == artifact]
    archive = artifacts.resolve(wanted, run.config, run.tell)[artifact]
    try:
        return oci.extract(archive, oci.program(archive), cache_folder() / "programs")
    except oci.ArchiveError as error:
        raise DeployError(f"{artifact}: {error}") from error
