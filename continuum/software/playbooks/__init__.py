"""Installs software on nodes with the modules' Ansible playbooks, through the nodes' connections.

A module's playbook for a phase is ``playbooks/<phase>.yml`` in its folder. Ansible is an optional dependency
(``pip install "continuum-bench[playbooks]"``), imported only when a playbook is run.
"""

from continuum.software.playbooks.play import PlaybookResult, find, missing_requirement, play

__all__ = ["PlaybookResult", "find", "missing_requirement", "play"]
