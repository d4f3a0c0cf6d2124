"""Software on nodes: Ansible playbooks of the modules, run through the nodes' own connections.

A module's playbook for a phase is ``playbooks/<phase>.yml`` in its folder. Ansible is an optional
dependency (``pip install "continuum-bench[playbooks]"``), imported when a playbook is run and not before.
"""

from continuum.software.playbooks.play import Played, find, missing_requirement, play

__all__ = ["Played", "find", "missing_requirement", "play"]
