"""Runs one playbook on a deployment's nodes, by ansible-runner and the connections we have."""

from __future__ import annotations

import importlib.util
import json
import math
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
from continuum.software.playbooks import settings
from continuum.software.playbooks.broker import lend
from continuum.software.playbooks.events import Follower, describe
from continuum.software.playbooks.inventory import Variables, inventory

FOLDER = "playbooks"
"""Folder of a run in which Ansible keeps its files, one folder within it a playbook."""

TIMEOUT_S = 900.0
_POLL_S = 0.05
_CANCEL_S = 10.0
_SHOWN_FAILURES = 5


@dataclass(frozen=True)
class Played:
    """A playbook that came to its end.

    Attributes:
        changed: tasks that changed something, by node; a node of which nothing had to be changed is absent.
        seconds: how long it took.
        log: Ansible's output.
        task_s: how long each task took, by its name and node.
    """

    changed: Mapping[str, int]
    seconds: float
    log: Path
    task_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def find(folder: Path, phase: str) -> Path | None:
    """A module's playbook for a phase: ``playbooks/<phase>.yml`` in its folder; None when it has none."""
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
) -> Played:
    """Run a playbook; its output goes to ``logs/<module>-<playbook>.log`` of the run.

    Args:
        playbook: a file ``<module>/playbooks/<phase>.yml``.
        deployment: the nodes; their tiers are groups of the inventory.
        run: the run they belong to.
        nodes: names of those it is for; empty for all.
        groups: names of nodes by further groups.
        variables: for all nodes, besides ``continuum_run``, ``continuum_artifact_dir`` and
            ``continuum_package_mirror``.
        of_node: for single nodes, besides ``continuum_node``, ``continuum_tier``, ``continuum_address``,
            ``continuum_folder`` and ``continuum_shares_host``.
        artifacts: files it installs on nodes; it finds them by name in ``continuum_artifacts``.
        timeout_s: longest time it may take.
        linger_s: longest time other nodes may go on once a task has failed on one, for playbooks whose
            nodes wait for each other and rescue nothing.

    Raises:
        DeployError: a task failed on a node, a node could not be reached, or there was no end in time.
        HostError: Ansible is not installed.
    """
    if lack := missing_requirement():
        raise HostError(lack)
    name = f"{playbook.parent.parent.name}-{playbook.stem}"
    folder = _private_folder(run, name)
    given = inventory(deployment, folder, groups=groups, of_node=of_node)
    _write_inputs(folder, given, forks=len(nodes) or len(deployment.nodes))
    log, start = run.log(name), time.monotonic()
    with log.open("a", encoding="utf-8") as file, lend(deployment.connections, folder, timeout_s):
        follower = Follower(file, lambda line: run.tell(f"  {name}: {line}"))
        arguments = {
            "private_data_dir": str(folder),
            "playbook": str(playbook.absolute()),
            "inventory": str(folder / "inventory.yml"),
            "extravars": {**settings.variables(run, folder, artifacts), **(variables or {})},
            "envvars": settings.environment(run, folder),
            "limit": ",".join(nodes) or None,
        }
        status = _run(arguments, follower, timeout_s, linger_s)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)  # its copy of our environment above all
    (folder / "packages.tar").unlink(missing_ok=True)
    if status != "successful":
        raise DeployError(_explain(name, status, follower, log, timeout_s))
    return Played(dict(follower.changed), time.monotonic() - start, log, follower.task_s)


def _private_folder(run: Run, name: str) -> Path:
    """Ansible's folder for this playbook, made afresh."""
    folder = run.directory / FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    return folder


def _write_inputs(folder: Path, given: Mapping[str, Any], forks: int) -> None:
    text = json.dumps(given, indent=1)  # which is YAML, too
    (folder / "inventory.yml").write_text(f"{text}\n", encoding="utf-8")
    (folder / "ansible.cfg").write_text(settings.configuration(folder, forks), encoding="utf-8")
    (folder / settings.PROGRAMS).mkdir()
    program = folder / settings.PROGRAMS / "ansible-playbook"
    program.write_text(settings.program(), encoding="utf-8")
    program.chmod(0o700)


def _run(arguments: dict[str, Any], follower: Follower, timeout_s: float, linger_s: float) -> str:
    """Let ansible-runner work in a thread, so that a signal ends it at once; its last word on how it went."""
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
    """Why a playbook failed, as far as it can be known."""
    where = log
    with suppress(ValueError):
        where = log.relative_to(Path.cwd())
    if status == "timeout":
        return f"{name}: no end within {timeout_s:g} s; its output is in {where}"
    failures = describe(follower.failures)
    shown = failures[:_SHOWN_FAILURES]
    if len(failures) > len(shown):
        shown.append(f"and {len(failures) - len(shown)} more")
    if not shown:
        shown = [f"{name}: Ansible ended early ({status})", *(f"  {line}" for line in follower.last_lines)]
    return "\n".join([*shown, f"all of the output is in {where}"])
