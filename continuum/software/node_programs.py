"""Programs that workloads start, such as a message broker: finds missing ones and installs them on nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError, Problem
from continuum.model.workload import Workload
from continuum.rundir.run import Run
from continuum.software.artifacts import Artifact
from continuum.software.packages import extras

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config

LOOK_TIMEOUT_S = 60.0
PARALLEL = 16
# The sbin folders are often not on the PATH.
_LOOK = (
    "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin;"
    ' for p; do command -v "$p" >/dev/null 2>&1 || printf "%s\\n" "$p"; done'
)


def missing_programs(workloads: Iterable[Workload], config: Config, host: Host) -> Iterator[Problem]:
    """Programs that this host is missing, for nodes that use the programs of this host.

    With ``artifact_dir`` or ``package_mirror`` the nodes install programs from there instead.
    """
    section = config.infrastructure
    needed = dict.fromkeys(program for workload in workloads for program in workload.programs)
    missing = [program for program in needed if host.find_command(program.name) is None]
    if missing and (section.given("artifact_dir") or section.given("package_mirror")):
        from continuum.software import playbooks

        if message := playbooks.missing_requirement():
            yield Problem(message)
        return
    for program in missing:
        ways = [f"apt install {program.package}", *filter(None, [program.instead])]
        message = f"{program.name} is not installed on this host; {', or '.join(ways)}"
        yield config.benchmark.problem(program.key, message)


def missing_packages(workloads: Iterable[Workload], config: Config) -> Iterator[Problem]:
    """Python packages that workloads require and this host does not have, where nodes use its Python."""
    missing = extras.missing(one for workload in workloads for one in workload.requirements)
    if missing:
        message = f"requires Python packages that are not installed: {', '.join(missing)}"
        yield config.benchmark.problem("application", f"{message}; run: {extras.command_for(missing)}")


def provide(
    folder: Path,
    artifacts: Sequence[Artifact],
    workloads: Sequence[Workload],
    deployment: Deployment,
    run: Run,
) -> None:
    """Install missing programs of workloads on their nodes with the application's playbook ``install``.

    If nothing is missing, Ansible is not required.

    Args:
        folder: the application's folder.
        artifacts: files that its playbook installs.
        workloads: the workloads that will run.
        deployment: the nodes.
        run: the run they belong to.

    Raises:
        DeployError: a program could not be installed.
        HostError: Ansible is not installed on this host.
    """
    needed = _needed(workloads, deployment)
    missing = _missing(needed, deployment)
    if not missing:
        return
    from continuum.software import playbooks

    playbook = playbooks.find(folder, "install")
    if playbook is None:
        raise DeployError(
            f"{_describe(missing)}, and {folder.name} has no playbooks/install.yml to install it"
        )
    playbooks.play(
        playbook,
        deployment,
        run,
        nodes=tuple(missing),
        of_node={node: {"continuum_programs": names} for node, names in missing.items()},
        artifacts=artifacts,
    )
    if still := _missing(missing, deployment):
        raise DeployError(f"{_describe(still)}, even after {folder.name}/playbooks/install.yml")


def _needed(workloads: Iterable[Workload], deployment: Deployment) -> dict[str, list[str]]:
    """Names of required programs by node; nodes that require none are absent."""
    needed: dict[str, dict[str, None]] = {}
    for workload in workloads:
        for node in deployment.nodes_of(workload.tier):
            if workload.programs and (not workload.nodes or node.name in workload.nodes):
                needed.setdefault(node.name, {}).update({one.name: None for one in workload.programs})
    return {node: list(names) for node, names in needed.items()}


def _missing(needed: Mapping[str, Sequence[str]], deployment: Deployment) -> dict[str, list[str]]:
    """Names of missing programs by node; nodes that have all of theirs are absent."""

    def look(node: str) -> list[str]:
        argv = ["sh", "-c", _LOOK, "sh", *needed[node]]
        return deployment.connections[node].run(argv, timeout=LOOK_TIMEOUT_S).stdout.split()

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = dict(zip(needed, pool.map(look, needed), strict=True))
    return {node: names for node, names in found.items() if names}


def _describe(missing: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{node} is missing {', '.join(names)}" for node, names in missing.items())
