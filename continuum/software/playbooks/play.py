"""Runs one playbook on a deployment's nodes with ansible-runner, through the nodes' connections."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError, HostError
from continuum.rundir.run import Run
from continuum.software.artifacts import Artifact
from continuum.software.packages import extras
from continuum.software.playbooks import settings, unsafe
from continuum.software.playbooks.broker import share
from continuum.software.playbooks.events import Follower, describe
from continuum.software.playbooks.inventory import Variables, inventory

FOLDER = "playbooks"
"""Folder of a run that holds Ansible's files, in one subfolder for each playbook."""

TIMEOUT_S = 900.0
_POLL_S = 0.05
_CANCEL_S = 10.0
_SHOWN_FAILURES = 5


@dataclass(frozen=True)
class PlaybookResult:
    """The result of a successful playbook.

    Attributes:
        changed: number of tasks that changed something, by node; nodes without changes are absent.
        seconds: duration of the playbook.
        log: file with Ansible's output.
        task_s: duration of each task in seconds, by its name and node.
    """

    changed: Mapping[str, int]
    seconds: float
    log: Path
    task_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def find(folder: Path, phase: str) -> Path | None:
    """A module's playbook for a phase: ``playbooks/<phase>.yml`` in its folder; None if absent."""
    path = folder / "playbooks" / f"{phase}.yml"
    return path if path.is_file() else None


def missing_requirement() -> str:
    """Why playbooks cannot be run on this host and how to fix that; empty if they can."""
    if importlib.util.find_spec("ansible_runner") and importlib.util.find_spec("ansible"):
        return ""
    return (
        "installing software on nodes requires ansible-runner and ansible-core, which are not installed; "
        f"run: {extras.install_command('playbooks')}"
    )


def play(
    playbook: Path,
    deployment: Deployment,
    run: Run,
    *,
    nodes: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    variables: Variables | None = None,
    of_node: Mapping[str, Variables] | None = None,
    artifacts: Sequence[Artifact] = (),
    timeout_s: float = TIMEOUT_S,
    linger_s: float = math.inf,
) -> PlaybookResult:
    """Run a playbook; its output goes to ``logs/<module>-<playbook>.log`` of the run.

    Variables are data: Ansible evaluates no template in their values.

    Args:
        playbook: a file ``<module>/playbooks/<phase>.yml``.
        deployment: the nodes; their tiers are groups of the inventory.
        run: the run they belong to.
        nodes: names of the nodes to run it on; empty for all.
        groups: names of nodes by additional group.
        variables: variables of all nodes, besides ``continuum_run``, ``continuum_artifact_dir`` and
            ``continuum_package_mirror``.
        of_node: variables of single nodes, besides ``continuum_node``, ``continuum_tier``,
            ``continuum_address``, ``continuum_folder`` and ``continuum_shares_host``.
        artifacts: files that it installs; it finds their paths by name in ``continuum_artifacts``.
        timeout_s: time-out of the playbook.
        linger_s: longest time that the other nodes may continue after a task failed on one; for playbooks
            in which nodes wait for each other and no failure is rescued.

    Raises:
        DeployError: a task failed on a node, a node was unreachable, or the playbook timed out.
        HostError: Ansible is not installed, or cannot work in the run's folder.
    """
    if message := missing_requirement():
        raise HostError(message)
    name = f"{playbook.parent.parent.name}-{playbook.stem}"
    folder = _private_folder(run, name)
    given = inventory(deployment, folder, groups=groups, of_node=of_node)
    values = {**settings.variables(run, folder, artifacts), **(variables or {})}
    _write_inputs(folder, given, values, forks=len(nodes) or len(deployment.nodes))
    log, start = run.log(name), time.monotonic()
    with log.open("a", encoding="utf-8") as file, share(deployment.connections, folder, timeout_s):
        follower = Follower(file, lambda line: run.tell(f"  {name}: {line}"))
        arguments = {
            "private_data_dir": str(folder),
            "playbook": str(playbook.absolute()),
            "inventory": str(folder / "inventory.yml"),
            "envvars": settings.environment(run, folder),
            "limit": ",".join(nodes) or None,
        }
        status = _run(arguments, follower, timeout_s, linger_s)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)  # contains a copy of this process's environment
    (folder / "packages.tar").unlink(missing_ok=True)
    if status != "successful":
        raise DeployError(_explain(name, status, follower, log, timeout_s))
    return PlaybookResult(dict(follower.changed), time.monotonic() - start, log, follower.task_s)


def _private_folder(run: Run, name: str) -> Path:
    """Ansible's folder for this playbook, newly created."""
    folder = run.directory / FOLDER / name
    if os.path.expandvars(folder) != str(folder):
        raise HostError(
            f"{run.directory}: Ansible would replace the variable in this path; "
            "set base_path to a folder without $ in its path"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    return folder


def _write_inputs(folder: Path, given: Mapping[str, Any], values: Variables, forks: int) -> None:
    (folder / "inventory.yml").write_text(f"{unsafe.to_json(given)}\n", encoding="utf-8")
    (folder / "env").mkdir()
    # As a file of our own: ansible-runner would write values that Ansible evaluates.
    (folder / "env" / "extravars").write_text(f"{unsafe.to_json(values)}\n", encoding="utf-8")
    (folder / "ansible.cfg").write_text(settings.configuration(forks), encoding="utf-8")
    (folder / settings.PROGRAMS).mkdir()
    program = folder / settings.PROGRAMS / "ansible-playbook"
    program.write_text(settings.program(), encoding="utf-8")
    program.chmod(0o700)


def _run(arguments: dict[str, Any], follower: Follower, timeout_s: float, linger_s: float) -> str:
    """Call ansible-runner in a thread, so that a signal ends it at once; returns its final status."""
    import ansible_runner

    cancelled, ended = threading.Event(), []

    def work() -> None:
        runner = ansible_runner.run(
            **arguments,
            event_handler=follower,
            cancel_callback=cancelled.is_set,
            settings={"pexpect_timeout": 1, "suppress_output_file": True},
            quiet=True,
            timeout=max(1, round(timeout_s)),
        )
        ended.append(str(runner.status) if runner.rc is not None else "killed")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_S)
            if time.monotonic() > follower.failed_s + linger_s:
                cancelled.set()
    finally:
        cancelled.set()
        thread.join(_CANCEL_S)
    return ended[0] if ended else "internal error"


def _explain(name: str, status: str, follower: Follower, log: Path, timeout_s: float) -> str:
    """The message of a failed playbook."""
    where = log
    with suppress(ValueError):
        where = log.relative_to(Path.cwd())
    if status == "timeout":
        return f"{name}: timed out after {timeout_s:g} s; the output is in {where}"
    failures = describe(follower.failures)
    shown = failures[:_SHOWN_FAILURES]
    if len(failures) > len(shown):
        shown.append(f"and {len(failures) - len(shown)} more")
    if not shown:
        shown = [
            f"{name}: Ansible ended early ({status})",
            *(f"  {line}" for line in follower.last_lines),
        ]
    return "\n".join([*shown, f"the full output is in {where}"])
