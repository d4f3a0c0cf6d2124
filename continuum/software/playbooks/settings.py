"""Ansible's settings: independent of the user's configuration, with all files in the run's folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from continuum.host import namespaces
from continuum.rundir.run import Run
from continuum.sdk import protocol
from continuum.software.artifacts import Artifact, resolve

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ROLES = HERE / "ansible" / "roles"
CONNECTIONS = HERE / "ansible" / "connection"
MOST_FORKS = 16
POLL_S = 0.02
"""Interval at which Ansible polls for results; its default of 1 ms takes a quarter of a CPU."""

PROGRAMS = "bin"
"""Subfolder of Ansible's folder with the ``ansible-playbook`` program."""


def configuration(forks: int) -> str:
    """The text of ``ansible.cfg``, a file in Ansible's folder for a playbook.

    Args:
        forks: number of nodes to work on in parallel, up to ``MOST_FORKS``.
    """
    return "\n".join(
        [
            "[defaults]",
            # Relative to this file, since Ansible expands variables in paths.
            "home = home",
            "local_tmp = tmp",
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
    """A script that executes Ansible and lets the kernel kill it if the orchestrator dies."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("ansible-playbook") or str(beside)
    tied = "setpriv --pdeathsig KILL" if shutil.which("setpriv") else ""
    return f'#!/bin/sh\nexec {tied} {shlex.quote(found)} "$@"\n'


def environment(run: Run, folder: Path) -> dict[str, str]:
    """Additional environment variables of Ansible's processes."""
    return {
        "PATH": os.pathsep.join([str(folder / PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner disables it by default
        protocol.ENV_RUN: run.id,
        protocol.ENV_RUN_DIRECTORY: str(run.directory),
        protocol.ENV_ORIGIN: namespaces.origin(),
    }


def variables(run: Run, folder: Path, artifacts: Sequence[Artifact] = ()) -> dict[str, Any]:
    """The variables of every playbook: the run's id and the sources of software.

    The Debian packages in ``artifact_dir`` are packed into one archive, since there may be many.

    Args:
        run: the run.
        folder: Ansible's folder for this playbook.
        artifacts: files that the playbook installs; missing ones are downloaded.

    Raises:
        HostError: a file in ``artifact_dir`` is missing or corrupt.
        DeployError: a file cannot be downloaded.
    """
    section = run.config.infrastructure
    given = section.path("artifact_dir")
    packages = sorted(given.glob("*.deb")) if given else []
    archive = folder / "packages.tar"
    if packages:
        with tarfile.open(archive, "w") as file:
            for package in packages:
                file.add(package, package.name, recursive=False)
    paths = resolve(artifacts, run.config, run.tell) if artifacts else {}
    return {
        "continuum_run": run.id,
        "continuum_artifacts": {name: str(path) for name, path in paths.items()},
        "continuum_artifact_dir": str(given.absolute()) if given else "",
        "continuum_package_files": str(archive) if packages else "",
        "continuum_package_mirror": section.maybe_text("package_mirror") or "",
    }
