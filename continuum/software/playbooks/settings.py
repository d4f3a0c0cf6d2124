"""How Ansible is set up: nothing of the user's own configuration, no files outside the run's folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.rundir.run import Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ROLES = HERE / "ansible" / "roles"
CONNECTIONS = HERE / "ansible" / "connection"
MOST_FORKS = 16
POLL_S = 0.02
"""How often Ansible looks for results; as often as it does by itself, it takes a quarter of a processor."""

PROGRAMS = "bin"
"""Folder within Ansible's own in which its program is found."""


def configuration(folder: Path, forks: int) -> str:
    """The text of ``ansible.cfg``.

    Args:
        folder: Ansible's folder of this playbook.
        forks: nodes it works on at the same time, where the host bears it.
    """
    return "\n".join(
        [
            "[defaults]",
            f"home = {folder / 'home'}",
            f"local_tmp = {folder / 'tmp'}",
            f"roles_path = {ROLES}",
            f"connection_plugins = {CONNECTIONS}",
            f"forks = {min(max(1, forks), MOST_FORKS)}",
            "gathering = explicit",
            "host_key_checking = True",
            "retry_files_enabled = False",
            "nocolor = True",
            "nocows = True",
            "display_skipped_hosts = False",
            "deprecation_warnings = False",
            "localhost_warning = False",
            "timeout = 30",
            f"internal_poll_interval = {POLL_S}",
            "[connection]",
            "pipelining = True",
            "",
        ]
    )


def program() -> str:
    """A script that becomes Ansible, and is killed when the orchestrator is: none goes on installing."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("ansible-playbook") or str(beside)
    tied = "setpriv --pdeathsig KILL" if shutil.which("setpriv") else ""
    return f'#!/bin/sh\nexec {tied} {shlex.quote(found)} "$@"\n'


def environment(run: Run, folder: Path) -> dict[str, str]:
    """Variables for Ansible's processes, on top of our own."""
    return {
        "PATH": os.pathsep.join([str(folder / PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # or the runner switches it off
        "CONTINUUM_RUN": run.id,
        "CONTINUUM_RUN_DIRECTORY": str(run.directory),
    }


def variables(run: Run, folder: Path) -> dict[str, Any]:
    """What every playbook may use of a run: its id, and where software comes from.

    Debian packages of ``artifact_dir`` are put into one archive, for they may be many. Artifacts of the
    run's modules are downloaded, unless they are there; HostError and DeployError name what cannot be had.
    """
    section = run.config.infrastructure
    artifacts = section.path("artifact_dir")
    packages = sorted(artifacts.glob("*.deb")) if artifacts else []
    archive = folder / "packages.tar"
    if packages:
        with tarfile.open(archive, "w") as file:
            for package in packages:
                file.add(package, package.name, recursive=False)
    return {
        "continuum_run": run.id,
        "continuum_artifacts": _artifacts(run),
        "continuum_artifact_dir": str(artifacts.absolute()) if artifacts else "",
        "continuum_package_files": str(archive) if packages else "",
        "continuum_package_mirror": section.maybe_text("package_mirror") or "",
    }


def _artifacts(run: Run) -> dict[str, str]:
    """Where the files that the run's modules install are on this machine, by name."""
    from continuum.modules import plan as modules
    from continuum.software import artifacts

    needed = artifacts.needed_by(modules.load_modules(run.config).all(), run.config)
    return {name: str(path) for name, path in artifacts.obtain(needed, run.config, run.tell).items()}
