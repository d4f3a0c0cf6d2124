"""The Ansible inventory of a deployment: its nodes by tier, and how to connect to each; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from continuum.connection import Connection
from continuum.connection.deployment import Deployment
from continuum.connection.ssh.connection import SshConnection
from continuum.model.node import Node

Variables = Mapping[str, Any]


def inventory(
    deployment: Deployment,
    folder: Path,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    of_node: Mapping[str, Variables] | None = None,
) -> dict[str, Any]:
    """An inventory in the format of Ansible's YAML plugin, which also reads JSON.

    Args:
        deployment: the nodes.
        folder: folder of the broker's socket.
        groups: names of nodes by additional group; each tier is a group.
        of_node: variables of single nodes.
    """
    own = of_node or {}
    tiers = dict.fromkeys(node.tier for node in deployment.nodes)
    children = {tier: {"hosts": _names(node.name for node in deployment.nodes_of(tier))} for tier in tiers}
    children |= {group: {"hosts": _names(names)} for group, names in (groups or {}).items()}
    hosts = {
        node.name: {**_describe(node), **access(node, deployment.connections[node.name], folder)}
        | dict(own.get(node.name, {}))
        for node in deployment.nodes
    }
    return {"all": {"hosts": hosts, "children": children}}


def access(node: Node, connection: Connection, folder: Path) -> dict[str, Any]:
    """How Ansible connects to a node: by ssh if that logs in as root, else through the broker."""
    common = {
        "ansible_python_interpreter": node.python,
        "ansible_remote_tmp": f"{node.folder}/ansible",  # not in the home folder, which stays unchanged
    }
    if isinstance(connection, SshConnection) and not connection.target.sudo:
        return {**_by_ssh(connection.client()), **common}
    return {
        "ansible_connection": "continuum_node",
        "continuum_broker_folder": str(folder),
        "ansible_user": "root",
        **common,
    }


def _by_ssh(command: Sequence[str]) -> dict[str, Any]:
    """The variables with which Ansible starts ``ssh`` with the same options as a command.

    Args:
        command: ``ssh OPTION... -- [USER@]HOST``.
    """
    *words, _, destination = command
    user, _, host = destination.rpartition("@")
    return {
        "ansible_connection": "ssh",
        "ansible_host": host,
        **({"ansible_user": user} if user else {}),
        # Ansible's default options start a connection that outlives it.
        "ansible_ssh_args": "",
        "ansible_ssh_common_args": shlex.join(words[1:]),
        "ansible_ssh_transfer_method": "piped",  # sftp and scp do not accept all options of ssh
    }


def _describe(node: Node) -> dict[str, Any]:
    return {
        "continuum_node": node.name,
        "continuum_tier": node.tier,
        "continuum_address": node.address,
        "continuum_management": node.management,
        "continuum_folder": node.folder,
        "continuum_shares_host": node.shares_host,
    }


def _names(names: Any) -> dict[str, dict[str, Any]]:
    return {name: {} for name in names}
